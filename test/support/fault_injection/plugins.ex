defmodule Pipeline.FaultInjection.Plugins do
  @moduledoc """
  The plugins that come and go: what each needs, and versions of it, as modules beside each other or, for `:g`, as code of one
  module.
  """

  @needs %{a: [], b: [:a], c: [:a], d: [:b, :c], e: [], f: [{:capability, :k}], g: []}
  @capable [:a, :e]

  # Of which each has a child with a name, so that none starts beside the one before.
  @parents [:b, :e]
  @versions 3

  @type id :: :a | :b | :c | :d | :e | :f | :g
  @type target :: module | {module, binary}

  @spec ids() :: [id]
  def ids, do: Map.keys(@needs)

  @spec needs(id) :: [id | {:capability, :k}]
  def needs(id), do: @needs[id]

  @doc "Whether it provides the capability that some need."
  @spec capable?(id) :: boolean
  def capable?(id), do: id in @capable

  @doc "Whether it has a child, with the role `{:child, id}`."
  @spec parent?(id) :: boolean
  def parent?(id), do: id in @parents

  @spec versions() :: pos_integer
  def versions, do: @versions

  @doc "Compiles all versions: modules, and for the one that is replaced in place its name with the code."
  @spec compile() :: %{{id, non_neg_integer} => target}
  def compile do
    Code.put_compiler_option(:ignore_module_conflict, true)

    for id <- ids(), number <- 0..(@versions - 1), into: %{} do
      name = Module.concat(__MODULE__, name(id, number))
      {:module, ^name, binary, _} = Module.create(name, body(id, number), Macro.Env.location(__ENV__))
      {{id, number}, if(id == :g, do: {name, binary}, else: name)}
    end
  end

  defp name(:g, _number), do: "G"
  defp name(id, number), do: String.upcase("#{id}#{number}")

  # The names of the functions change with the version, so that no chain of one works with the code of the other.
  defp body(id, number) do
    version = "1.#{number}.0"

    quote do
      use Pipeline.Plugin, id: unquote(id), version: unquote(version)
      unquote_splicing(for need <- @needs[id], do: depends_on(need))
      unquote_splicing(if capable?(id), do: [quote(do: capability(:k, true))], else: [])

      hook :before, :step, fun: unquote(:"enter_#{number}") do
        def unquote(:"enter_#{number}")(context, next),
          do: next.([{:enter, unquote(id), unquote(version)} | context])
      end

      hook :after, :step, fun: unquote(:"leave_#{number}") do
        def unquote(:"leave_#{number}")(result, next),
          do: next.([{:leave, unquote(id), unquote(version)} | result])
      end

      hook :before, :guarded, fun: unquote(:"guard_#{number}") do
        def unquote(:"guard_#{number}")(context, next), do: next.([unquote(id) | context])
      end

      hook :before, :other, native: :increment, config: %{field: unquote(id)}

      if unquote(parent?(id)) do
        @impl Pipeline.Plugin
        def children(_config), do: [{Pipeline.FaultInjection.Child, unquote(id)}]
      end

      @impl Pipeline.Plugin
      def init(config), do: {:ok, %{config: config, by: unquote(version)}}

      @impl Pipeline.Plugin
      def code_change(_from, state, _extra), do: {:ok, %{state | by: unquote(version)}}

      @impl Pipeline.Plugin
      def update_config(config, state), do: {:ok, %{state | config: config}}

      @impl Pipeline.Plugin
      def handle_rpc(:tell, state), do: {:reply, {unquote(id), unquote(version), state}, state}
    end
  end

  defp depends_on({:capability, capability}), do: quote(do: depends_on(capability: unquote(capability)))
  defp depends_on(id), do: quote(do: depends_on(unquote(id)))
end
