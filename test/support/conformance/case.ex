defmodule Pipeline.Conformance.Case do
  @moduledoc """
  What a point with some hooks does, as data.

    * `hooks` - `{plugin, kind, options, behaviour}` in the order of registration. A behaviour is a program
      (`Pipeline.Conformance.Program`); a function where only Elixir can do it; `nil` where the options name a shipped
      native hook, which is not seen being called
    * `depends` - the plugins that a plugin names as optional dependencies
    * `mode` - of the point
    * `context`, and `core`, the base operation: a program, a function, or `nil` for none
    * `expect` - what the run returns; `{:failed, plugin, kind, reason}` for a `Pipeline.Hook.Error`; `{:raised, kind,
      reason}`; `{:contradiction, sentence}` where the hooks cannot be put in order. Reasons are as
      `Pipeline.Conformance.Program.reason/1` has them; `:any` stands for every one
    * `calls` - hooks and base operation (`:core`) in the order in which they were called
    * `reported` - the failures of which an event tells, those that an outer hook catches too; by default that of the
      result
  """

  alias Pipeline.Conformance.Program

  @enforce_keys [:name, :hooks, :expect, :calls]
  defstruct [
    :name,
    :hooks,
    :expect,
    :calls,
    :core,
    :reported,
    context: %{trail: []},
    depends: %{},
    mode: :chain
  ]

  @type behaviour :: Program.t() | function | nil
  @type hook :: {plugin :: atom, Pipeline.Hook.kind(), keyword, behaviour}
  @type report :: {atom, Pipeline.Hook.kind(), term} | :any
  @type t :: %__MODULE__{
          name: String.t(),
          hooks: [hook],
          depends: %{atom => [atom]},
          mode: Pipeline.Hook.Spec.mode(),
          context: term,
          core: Program.t() | Pipeline.Hook.next() | nil,
          expect: term,
          calls: [atom],
          reported: [report] | nil
        }

  @doc "A case, for the lists of them."
  @spec a(String.t(), keyword) :: t
  def a(name, fields), do: struct!(__MODULE__, [name: name] ++ fields)

  @doc "The result whose context has these marks and nothing else."
  @spec trail([term]) :: {:ok, map}
  def trail(marks), do: {:ok, %{trail: marks}}

  @doc "The failures of which events are to tell."
  @spec reported(t) :: [report]
  def reported(%{reported: nil, expect: {:failed, plugin, kind, reason}}), do: [{plugin, kind, reason}]
  def reported(%{reported: nil}), do: []
  def reported(%{reported: reported}), do: reported

  @doc "Those of them that belong to hooks which are skipped, all there is to tell apart from the result."
  @spec skipped(t) :: [report]
  def skipped(%{mode: :notify} = case), do: reported(case)

  def skipped(case) do
    skipping = for {plugin, kind, opts, _} <- case.hooks, opts[:on_error] == :skip, do: {plugin, kind}
    for {plugin, kind, _} = report <- reported(case), {plugin, kind} in skipping, do: report
  end
end
