defmodule Mix.Pipeline.ChosenPoint do
  @moduledoc false
  # The hook point of a plugin that is generated, and how its hook is tested there.

  alias Pipeline.Hook.Spec
  alias Pipeline.Options

  @enforce_keys [:spec, :point, :kind, :mode, :keys, :marks?, :runs?]
  defstruct [:spec, :point, :kind, :mode, :keys, :marks?, :runs?, tagged: false]

  @typedoc """
  A point: `keys` can be expected in its context, `marks?` says that a hook may put a key there, and `runs?` that a test
  knows a context that the point takes.
  """
  @type t :: %__MODULE__{
          spec: module | nil,
          point: atom,
          kind: Pipeline.Hook.kind(),
          mode: Spec.mode(),
          keys: [atom],
          marks?: boolean,
          runs?: boolean,
          tagged: boolean
        }

  @kinds [:before, :after, :around, :replace]

  @doc "The point that the options `hooks:`, `point:` and `kind:` name. Raises `Mix.Error`."
  @spec choose!(keyword) :: t
  def choose!(opts) do
    if opts[:hooks], do: of_spec!(spec!(opts[:hooks]), opts), else: free!(opts)
  end

  @doc "The function of the hook. No word of the language and no callback has such a name."
  @spec function(t) :: atom
  def function(%{point: point, kind: kind}) do
    :"#{kind}_#{String.replace(Atom.to_string(point), ~r/[^A-Za-z0-9_]/, "_")}"
  end

  defp free!(opts) do
    point = opts[:point] || "execute_node"

    unless point =~ ~r/\A[a-z][a-z0-9_]*[?!]?\z/ do
      Mix.raise("a hook point is in snake case, such as admit, got: #{point}")
    end

    kind = kind!(opts[:kind], @kinds, "a hook point without a spec")

    %__MODULE__{
      spec: nil,
      point: String.to_atom(point),
      kind: kind,
      mode: :chain,
      keys: [],
      marks?: true,
      runs?: true
    }
  end

  defp spec!(name) do
    unless name =~ ~r/\A[A-Z][A-Za-z0-9_]*(\.[A-Z][A-Za-z0-9_]*)*\z/ do
      Mix.raise("--hooks names a module, such as MyApp.Hooks, got: #{name}")
    end

    Mix.Task.run("compile")
    spec = Module.concat([name])

    cond do
      not Code.ensure_loaded?(spec) ->
        Mix.raise(
          "the module #{name} is not there. Write it, or let mix pipeline.gen.host write one, " <>
            "or give another to --hooks"
        )

      not function_exported?(spec, :__hookpoints__, 0) ->
        Mix.raise(
          "#{name} declares no hook points: it does not use Pipeline.Hook.Spec. Give another to --hooks"
        )

      spec.__hookpoints__() == %{} ->
        Mix.raise("#{name} declares no hook points yet: write one there, with hookpoint")

      true ->
        spec
    end
  end

  defp of_spec!(spec, opts) do
    points = spec.__hookpoints__()
    point = point!(spec, Map.keys(points), opts[:point])
    declared = Map.fetch!(points, point)
    kind = kind!(opts[:kind], declared.kinds, "the hook point #{point} of #{inspect(spec)}")
    context = declared.schemas && declared.schemas.context

    %__MODULE__{
      spec: spec,
      point: point,
      kind: kind,
      mode: declared.mode,
      keys: declared.context,
      marks?: context == nil or declared.context != [],
      runs?: declared.schemas == nil,
      tagged: declared.listening.tagged
    }
  end

  defp point!(_spec, [point], nil), do: point

  defp point!(spec, points, nil) do
    Mix.raise("#{inspect(spec)} has several hook points: name one with --point. Declared: #{list(points)}")
  end

  defp point!(spec, points, given) do
    Enum.find(points, &(Atom.to_string(&1) == given)) ||
      Mix.raise(
        "#{inspect(spec)} does not declare the hook point #{given}." <>
          did_you_mean(given, points) <> " Declared: #{list(points)}"
      )
  end

  defp kind!(nil, kinds, _of), do: hd(kinds)

  defp kind!(given, kinds, of) do
    Enum.find(kinds, &(Atom.to_string(&1) == given)) ||
      Mix.raise(
        "#{of} takes no hooks of the kind #{given}." <> did_you_mean(given, kinds) <> " Known: #{list(kinds)}"
      )
  end

  defp did_you_mean(given, known), do: Options.did_you_mean(given, Enum.map(known, &Atom.to_string/1))
  defp list(names), do: names |> Enum.sort() |> Enum.join(", ")
end
