defmodule Pipeline.Package.ServerTest do
  # The server is that of all instances, so nobody else may load packages meanwhile.
  use Pipeline.InstanceCase, async: false

  alias Pipeline.{Package, Packages}
  alias Pipeline.Instance.Names

  @source """
  defmodule NAME.Plugin do
    use Pipeline.Plugin, id: :NAME, version: "1.0.0"
  end

  defmodule NAME.App do
    use Application
    def start(_type, _args), do: Supervisor.start_link([], strategy: :one_for_one)
  end
  """

  @tag :capture_log
  test "its end harms no instance, and it still knows who uses an application" do
    name = :"server_test_#{System.unique_integer([:positive])}"
    module = Macro.camelize("#{name}")
    source = @source |> String.replace(":NAME", inspect(name)) |> String.replace("NAME", module)

    app =
      Packages.app!(name, "1.0.0", source,
        properties: [mod: {:"Elixir.#{module}.App", []}, applications: [:kernel, :stdlib, :elixir]]
      )

    instance = {:server_test, name}
    start_supervised!({Manager, name: instance, packages: Packages.folder!()})
    Package.install!(Packages.build!(app).bytes, instance: instance)
    {:ok, ^name} = Manager.load_plugin("#{name}", %{}, instance: instance)
    assert running?(name)

    others = for one <- [Pipeline.Plugin, instance], do: Names.whereis(one, :instance)
    server = Process.whereis(Package.Server)
    monitor = Process.monitor(server)
    Process.exit(server, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    assert :ok = unload(name, instance)
    refute running?(name)
    assert Process.whereis(Package.Server) not in [nil, server]
    assert others == for(one <- [Pipeline.Plugin, instance], do: Names.whereis(one, :instance))
  end

  # Until the server is there again.
  defp unload(name, instance) do
    if Process.whereis(Package.Server),
      do: Manager.unload_plugin(name, instance: instance, purge: true),
      else: unload(name, instance)
  end

  defp running?(app), do: List.keymember?(Application.started_applications(), app, 0)
end
