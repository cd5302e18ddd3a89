defmodule Pipeline.Package.LeakTest do
  # In a VM of its own, so that nothing else is measured with it. PIPELINE_PACKAGE_CYCLES says how often.
  use ExUnit.Case, async: true

  alias Pipeline.Packages

  @cycles System.get_env("PIPELINE_PACKAGE_CYCLES", "20")

  @source """
  defmodule Cycled do
    use Pipeline.Plugin, id: :cycled, version: "V"
    hook :before, :cycled, do: (def cycled(c, n), do: n.([{Cycled.Helper.v(), struct(Cycled.Thing)} | c]))

    @impl true
    def code_change(_from, _state, :refuse), do: {:error, :refused}
    def code_change(_from, state, _extra), do: {:ok, state}
  end

  defmodule Cycled.Helper, do: (def v, do: "V")
  defmodule Cycled.Thing, do: defstruct []
  defimpl String.Chars, for: Cycled.Thing, do: (def to_string(_), do: "V")

  defmodule Cycled.OnlyV, do: (def there, do: true)

  defmodule Cycled.App do
    use Application
    def start(_type, _args), do: Supervisor.start_link([{Agent, fn -> "V" end}], strategy: :one_for_one)
  end
  """

  @moduletag timeout: :infinity

  test "a package that comes and goes leaves nothing behind" do
    folder = Packages.folder!()

    for number <- [1, 2] do
      version = "#{number}.0.0"
      source = @source |> String.replace("OnlyV", "Only#{number}") |> String.replace("V\"", version <> "\"")
      dependency = "defmodule Cycled.Dependency, do: (def v, do: #{inspect(version)})"

      app = Packages.app!(:cycled, version, source, properties: [mod: {Cycled.App, []}])
      private = Packages.app!(:cycled_dependency, version, dependency)
      built = Packages.build!(app, dependencies: [private])
      File.write!(Path.join(folder, "#{number}.tar.gz"), built.bytes)
    end

    script = ["-pa", Application.app_dir(:pipeline_plugin, "ebin"), "-pa", consolidated(), "-e"]
    main = "Pipeline.PackageCycles.main(System.argv())"
    env = [{"ERL_CRASH_DUMP_SECONDS", "0"}]

    {output, status} =
      System.cmd("elixir", script ++ [main, @cycles, folder], stderr_to_stdout: true, env: env)

    assert status == 0, output
    if System.get_env("PIPELINE_PACKAGE_CYCLES"), do: IO.puts(output)
  end

  # Where Mix has the consolidated protocols of this VM.
  defp consolidated do
    assert String.Chars.__protocol__(:consolidated?)
    String.Chars |> :code.which() |> Path.dirname()
  end
end
