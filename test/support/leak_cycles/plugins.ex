defmodule Pipeline.LeakCycles.First do
  @moduledoc false
  use Pipeline.Plugin, id: :first, version: "1.0.0"

  capability :leaks, [:nothing]
  provides :store, __MODULE__, priority: 1

  @impl Pipeline.Plugin
  def config_schema, do: [size: [type: :pos_integer, required: true], name: [type: :string, default: "first"]]

  @impl Pipeline.Plugin
  def init(config), do: {:ok, config}

  @impl Pipeline.Plugin
  def update_config(config, _state), do: {:ok, config}

  hook :around, :step, fun: :wrap do
    def wrap(context, next), do: next.(context)
  end

  hook :before, :step, fun: :enter, on_error: :skip do
    def enter(%{fail: true}, _next), do: raise("on purpose")
    def enter(context, next), do: next.(Map.put(context, :first, String.duplicate("x", 100)))
  end

  hook :after, :step, fun: :leave, timeout: 60_000 do
    def leave(result, next), do: next.(result)
  end

  @impl Pipeline.Plugin
  def handle_event(:tick, _payload, state), do: {:ok, state}

  @impl Pipeline.Plugin
  def handle_rpc(:ping, state), do: {:reply, :pong, state}
end

defmodule Pipeline.LeakCycles.FirstAgain do
  @moduledoc false
  use Pipeline.Plugin, id: :first, version: "1.1.0"

  capability :leaks, [:nothing, :really]

  @impl Pipeline.Plugin
  def config_schema, do: [size: [type: :pos_integer, required: true], name: [type: :string, default: "again"]]

  @impl Pipeline.Plugin
  def code_change(_from, state, _extra), do: {:ok, state}

  hook :before, :step, fun: :enter do
    def enter(context, next), do: next.(Map.put(context, :again, true))
  end

  @impl Pipeline.Plugin
  def handle_event(:tick, _payload, state), do: {:ok, state}

  @impl Pipeline.Plugin
  def handle_rpc(:ping, state), do: {:reply, :pong, state}
end

defmodule Pipeline.LeakCycles.Native do
  @moduledoc false
  use Pipeline.Plugin, id: :native

  depends_on :first, version: "~> 1.0"

  hook :around, :step, native: :retry, config: %{times: 2}
  hook :around, :step, native: :cache, config: %{field: :n, ttl_ms: 60_000}
  hook :before, :step, native: :redact, config: %{field: :text, patterns: ["[0-9]{3}"]}
  hook :before, :step, native: :put, config: %{field: [:deep, :er], value: %{list: [1, 2, 3]}}
  hook :before, :step, native: :put, config: %{field: :waited, value: true}, cost: :blocking
  hook :before, :step, native: :rate_limit, config: %{limit: 100_000, per_ms: 1, key: :n}
  hook :after, :step, native: :template, config: %{template: "{{ text }}", into: :out}, cost: :heavy
end

defmodule Pipeline.LeakCycles.BadHook do
  @moduledoc false
  use Pipeline.Plugin, id: :bad_hook
  hook :before, :step, native: :put, config: %{field: :a, value: 1}
  hook :before, :step, native: :redact, config: %{field: :text, patterns: ["("]}
end

defmodule Pipeline.LeakCycles.BadInit do
  @moduledoc false
  use Pipeline.Plugin, id: :bad_init

  @impl Pipeline.Plugin
  def init(_config), do: {:error, :not_today}
end

defmodule Pipeline.LeakCycles.BadStart do
  @moduledoc false
  use Pipeline.Plugin, id: :bad_start
  hook :before, :step, native: :put, config: %{field: :a, value: 1}

  @impl Pipeline.Plugin
  def start(_state), do: {:error, :not_today}
end

defmodule Pipeline.LeakCycles.Lost do
  @moduledoc false
  use Pipeline.Plugin, id: :lost
  depends_on :nobody_has_this
end
