defmodule Pipeline.Plugin.DSL do
  @moduledoc """
  The words in which a plugin declares itself, imported by `use Pipeline.Plugin`.

      capability :node_types, [:split, :join]
      depends_on :tokenizer, version: "~> 1.0"
      depends_on capability: :llm
      provides :node_handler, MyApp.TextNodes, priority: 60

      hook :before, :validate_node, priority: 80 do
        def validate_node(context, next), do: next.(context)
      end

  A mistake in any of them ends the compilation with the file and the line.
  """

  alias Pipeline.Plugin.Declaration

  @doc """
  Declares something that the plugin can do: a name, and any term that says more (`[]` by default).

  `Pipeline.Plugin.Manager.get_by_capability/2` finds the plugin by it.
  """
  defmacro capability(name, value \\ []) do
    quote do
      @pipeline_capabilities Declaration.capability!(__ENV__, unquote(name), unquote(value))
    end
  end

  @doc """
  Declares a plugin, or any provider of a capability, that has to be loaded before this one.

  ## Options

    * `:version` - a requirement, as in Mix: `"~> 1.2"`
    * `:optional` - when `true`, the other plugin may be missing; if it is there, it comes first
  """
  defmacro depends_on(plugin_id_or_capability, opts \\ []) do
    quote do
      @pipeline_dependencies Declaration.dependency!(
                               __ENV__,
                               unquote(plugin_id_or_capability),
                               unquote(opts)
                             )
    end
  end

  @doc """
  Declares a hook on a hook point.

  The function has the name of the point and takes `(context, next)`, or `(context)` for the kind `:listen`.
  It stands in the `do` block or anywhere in the module; without either, a hook of another kind than `:listen`
  hands the context on.

  ## Options

    * `:priority` - an integer, 50 by default; the higher, the earlier
    * `:before`, `:after` - an id or a list of ids of plugins, before or after whose hooks of this kind it runs.
      They win over priorities and apply while the named plugin is loaded
    * `:fun` - the name of the function, needed when two hooks of the plugin share a point
    * `:on_error` - `:halt` (default), `:skip` or `:raise`, see `Pipeline.Hook`
    * `:timeout` - milliseconds after which the hook fails, for `:before`, `:after` and `:replace`; of native hooks for
      those that wait, 5,000 by default
    * `:max_heap` - bytes that a hook with a `:timeout` may use; beyond, it fails with the reason
      `:max_heap`. So it does if its result, or the context that it gives to `next`, would be larger once it is copied
      to the caller, with its binaries. Without it, copying is the plugin's own affair
    * `:circuit` - keeps a hook that fails too often from being called for a while: `[failures: 5, window: 10_000,
      cool_down: 5_000, trials: 1]`, which are the defaults, times in milliseconds; see `Pipeline.Hook`. A native hook with
      one is a native call of its own
    * `:native` - the name of a native hook, or `{library, name}`; then there is no function
    * `:config` - the configuration of a native hook, checked when the plugin is loaded
    * `:cost` - what a native hook costs and so where it runs: `:light` on the caller's scheduler, `:heavy` on a dirty
      one, `:blocking` on a thread of the library's runtime. By default what its library says

  ## Native arounds

      hook :around, :call_model, native: :retry, config: %{times: 3, on: [:timeout, :rate_limited], delay_ms: 200}
      hook :around, :call_model, native: :cache, config: %{fields: [:prompt, :model], ttl_ms: 60_000}

  `retry` runs everything inside again when it failed:

    * `times` - how often at most, 2 by default
    * `on` - which failures are worth it: modules of exceptions, reasons that are atoms, first elements of reasons that
      are tuples. By default all but refusals (`throw {:hook_error, reason}`)
    * `delay_ms` - the pause ahead of the first time, 0 by default; each further one is twice as long, up to
      `max_delay_ms` (30,000). The calling process waits, no scheduler does

  A failure that is not tried again goes on outwards as it was, with its plugin and its stack trace.

  `cache` answers with the result of an earlier run in which the fields had the same values:

    * `field`, `fields` - what makes the key: one field, or a list of them; a field is a key or a path of keys
    * `ttl_ms` - how long a result is good for (required)
    * `max_entries` - how many are kept, 1,000 by default

  Failures are not kept. Each declared hook has results of its own, which go when its plugin is unloaded. Two runs that
  ask for the same at once both go inside.

  ## Native hooks that wait

      hook :before, :step, native: {MyApp.NativeHooks, :look_up}, timeout: 2_000
      hook :before, :step, native: :json_schema, config: config, cost: :blocking, timeout: 100

  A hook that its library registers as blocking, or that is declared with `cost: :blocking`, runs on a thread of the
  library's runtime, on a copy of the context; 64 do at once and 4,096 more wait for their turn. One that its library
  registers as async holds no thread: 65,536 wait at once. The caller waits for a message meanwhile. When the time is
  up the hook fails with the reason `:timeout`; then, and when the caller dies, it is cancelled: it does not start any
  more, is dropped where it waits, or is told so.
  """
  defmacro hook(kind, point, opts \\ [])
  # `do:` may stand among the options: hook :before, :step, priority: 60, do: def(…)
  defmacro hook(kind, point, opts) do
    {block, opts} = if Keyword.keyword?(opts), do: Keyword.split(opts, [:do]), else: {[], opts}
    declare_hook(kind, point, opts, block)
  end

  @doc "Declares a hook with options and a block, see `hook/3`."
  defmacro hook(kind, point, opts, [do: _] = block), do: declare_hook(kind, point, opts, block)

  @doc """
  Declares a module that implements a type of extension, such as `:provider` or `:node_handler`.

  It is the capability of that name with the module and the options as value;
  `Pipeline.Plugin.Manager.get_provider/2` finds it.

  ## Options

    * `:priority` - an integer, 50 by default; of several providers the highest is found
    * `:default` - when `true`, found before all that are not
  """
  defmacro provides(type, module, opts \\ []) do
    quote do
      @pipeline_capabilities Declaration.provides!(__ENV__, unquote(type), unquote(module), unquote(opts))
    end
  end

  defp declare_hook(kind, point, opts, block) do
    quote do
      @pipeline_hooks Declaration.hook!(
                        __ENV__,
                        unquote(kind),
                        unquote(point),
                        unquote(opts),
                        unquote(block != [])
                      )
      unquote(block[:do])
    end
  end
end
