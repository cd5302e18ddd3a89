defmodule Mix.Tasks.Pipeline.PackageTest do
  # Mix's shell and the working directory are global.
  use ExUnit.Case

  alias Pipeline.{Package, Packages}

  @source """
  defmodule PackageTasks.Greeter do
    use Pipeline.Plugin, id: :package_tasks_greeter, version: "VERSION", description: "Greets"
  end
  """

  setup do
    Mix.shell(Mix.Shell.Process)
    on_exit(fn -> Mix.shell(Mix.Shell.IO) end)
    {:ok, folder: Packages.folder!()}
  end

  defp archive(version, context, opts \\ []) do
    app = Packages.app!(:package_tasks_greeter, version, String.replace(@source, "VERSION", version))
    built = Packages.build!(app, opts)
    path = Path.join(context.folder, built.file)
    File.write!(path, built.bytes)
    path
  end

  defp run(task, args, context) do
    Mix.Task.reenable("app.config")
    Mix.Task.rerun(task, args ++ ["--no-compile", "--packages", Path.join(context.folder, "packages")])
    output()
  end

  defp output do
    receive do
      {:mix_shell, kind, [text]} when kind in [:info, :error] -> [text | output()]
    after
      0 -> []
    end
  end

  test "installs, lists, shows, verifies, upgrades, uninstalls", context do
    key = Path.join(context.folder, "key")
    Mix.Task.rerun("pipeline.package", ["--new-key", key])
    assert [made] = output()
    assert made =~ "The private key is in #{key}: keep it secret. Hosts trust ed25519:"
    assert Bitwise.band(File.stat!(key).mode, 0o777) == 0o600

    one = archive("1.0.0", context, sign: File.read!(key))
    assert run("pipeline.list", [], context) == ["no package is installed in #{context.folder}/packages"]
    assert [installed] = run("pipeline.install", [one, "--trust", key <> ".pub"], context)
    assert installed =~ "installed package_tasks_greeter 1.0.0 in "
    assert run("pipeline.list", [], context) == ["package_tasks_greeter 1.0.0  Greets"]
    assert [info] = run("pipeline.info", ["package_tasks_greeter"], context)
    assert info =~ "  signed by     ed25519:"
    assert info =~ "  requires      Elixir ~> 1.14, OTP "
    public = (key <> ".pub") |> File.read!() |> String.trim()

    assert run("pipeline.verify", ["package_tasks_greeter"], context) ==
             ["package_tasks_greeter 1.0.0 is whole, and signed by #{public}"]

    refute doctor(context) =~ "(packages)"
    two = archive("2.0.0", context)

    assert_raise Mix.Error,
                 ~r/it has no signature, and only packages signed by a key of trust: are taken/,
                 fn ->
                   run("pipeline.upgrade", [two, "--trust", public], context)
                 end

    assert run("pipeline.upgrade", [two], context) ==
             ["installed package_tasks_greeter 2.0.0", "uninstalled package_tasks_greeter 1.0.0"]

    File.write!(Path.join(context.folder, "packages/package_tasks_greeter-2.0.0/ebin/x"), "x")
    assert doctor(context) =~ "error (packages): package_tasks_greeter-2.0.0: its file ebin/x is not listed"

    assert run("pipeline.uninstall", ["package_tasks_greeter"], context) == [
             "uninstalled package_tasks_greeter"
           ]

    assert Package.list(packages: context.folder <> "/packages") == []
  end

  # It may fail for more than the packages: other tests have native libraries that were never built.
  defp doctor(context) do
    assert [text] = run("pipeline.doctor", [], context)
    text
  rescue
    error in Mix.Error ->
      assert error.message =~ ~r/^pipeline.doctor found \d+ errors?$/
      assert [text] = output()
      text
  end

  test "says how it is called", context do
    assert_raise Mix.Error, ~r/takes 1 arguments, got 0. Write: mix pipeline.install SOURCE/, fn ->
      run("pipeline.install", [], context)
    end

    assert_raise Mix.Error, ~r/unknown option or missing value: --trsut. Did you mean "--trust"\?/, fn ->
      run("pipeline.verify", ["x", "--trsut", "y"], context)
    end

    assert_raise Mix.Error, ~r/x is neither a public key/, fn ->
      run("pipeline.verify", ["x", "--trust", "x"], context)
    end
  end
end
