# A system that lives: runs go on, a circuit opens, and a plugin crashes again and again.
defmodule Living.Storage do
  use Pipeline.Plugin, id: :storage, version: "2.1.0", description: "Keeps documents."
  capability :storage, true

  @impl Pipeline.Plugin
  def config_schema,
    do: [bucket: [type: :string, default: "documents"], key: [type: :string, secret: true, default: "k3y"]]
end

defmodule Living.Search do
  use Pipeline.Plugin, id: :search, version: "1.4.2", description: "Finds documents."
  depends_on :storage

  hook :around, :handle_request do
    def handle_request(context, next) do
      Process.sleep(1)
      next.(context)
    end
  end

  @impl Pipeline.Plugin
  def handle_message(:crash, _state), do: raise("the index <b>is</b> gone")
end

defmodule Living.Audit do
  use Pipeline.Plugin, id: :audit, version: "0.9.0", description: "Writes down who asked."
  depends_on :storage

  hook :before, :handle_request, on_error: :skip, circuit: [failures: 3, cool_down: 600_000] do
    def handle_request(context, next) do
      if rem(context.n, 5) == 4, do: raise("the audit log is full")
      next.(context)
    end
  end
end

defmodule Living.Greeting do
  use Pipeline.Plugin, id: :greeting, version: "1.0.0", description: "Greets."
  depends_on :search

  hook :after, :handle_request do
    def handle_request(context, next), do: next.(context)
  end
end

defmodule Living.Greeting2 do
  use Pipeline.Plugin, id: :greeting, version: "1.1.0", description: "Greets in two languages."
  depends_on :search

  hook :after, :handle_request do
    def handle_request(context, next), do: next.(context)
  end
end

alias Pipeline.Plugin.{Events, Manager}

{:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
{:ok, port} = :inet.port(socket)
:ok = :gen_tcp.close(socket)

plugins = [
  Living.Storage,
  Living.Search,
  Living.Audit,
  Living.Greeting,
  {Pipeline.Plugins.Dashboard, %{port: port}}
]

{:ok, _} = Manager.start_link(name: MyApp.Plugins, plugins: plugins, restart: [max: 100, within: 5_000])

:ready = Manager.readiness(instance: MyApp.Plugins)

spawn(fn ->
  for n <- Stream.iterate(0, &(&1 + 1)) do
    Pipeline.Hook.run(MyApp.Plugins, :handle_request, %{n: n}, fn context ->
      Process.sleep(2)
      context
    end)

    if rem(n, 100) == 0, do: Events.emit(:order_paid, %{id: n}, instance: MyApp.Plugins)

    if rem(n, 400) == 399,
      do:
        with(
          pid when is_pid(pid) <- Manager.plugin_info!(:search, instance: MyApp.Plugins).pid,
          do: send(pid, :crash)
        )

    Process.sleep(5)
  end
end)

spawn(fn ->
  for module <- Stream.cycle([Living.Greeting2, Living.Greeting]) do
    Process.sleep(3_000)
    Manager.upgrade_plugin(:greeting, module, instance: MyApp.Plugins)
  end
end)

IO.puts("ready #{port}")

# The instance is linked to this process.
Process.sleep(:infinity)
