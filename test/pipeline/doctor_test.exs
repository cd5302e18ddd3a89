defmodule Pipeline.DoctorTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.{Doctor, JSON}
  alias Pipeline.Doctor.{Configuration, Instances}
  alias Pipeline.Native.Build.{Crate, Stamp}

  doctest Pipeline.Doctor

  defmodule Hooks do
    use Pipeline.Hook.Spec
    hookpoint :admit, fail: :closed
    hookpoint :work
  end

  defmodule NeverBuilt do
    use Pipeline.Native.Library, otp_app: :pipeline_plugin, crate: :doctor_never_built
  end

  defp problems(findings), do: Enum.map(findings, &{&1.severity, &1.problem})

  test "shows versions, schedulers, and the library with the way it came" do
    examined = Doctor.examine()
    assert examined.versions.elixir == System.version()
    assert examined.schedulers.normal == System.schedulers_online()
    assert library = Enum.find(examined.libraries, &(&1.module == Pipeline.Native))
    assert library.hooks > 5 and library.error == nil and library.file =~ "pipeline_nif"
    assert library.origin in ["built here with Cargo", "of unknown origin"] or library.origin =~ "artefact"

    text = to_string(examined)
    assert text =~ "OTP #{System.otp_release()}"
    assert text =~ "native library Pipeline.Native: #{library.hooks} hooks, "
    assert text =~ "instance Pipeline.Plugin: "
  end

  @tag :tmp_dir
  test "knows an artefact, and a library that was replaced", %{tmp_dir: folder} do
    installed = Path.join(folder, "x.so")
    assert Stamp.origin(installed) == :unknown
    File.write!(installed, "library")
    assert Stamp.origin(installed) == :unknown
    Stamp.write_artefact(struct(Crate, installed: installed), "x-1.0.0.tar.gz", "sha256:0")
    assert Stamp.origin(installed) == {:artefact, "x-1.0.0.tar.gz"}
    File.write!(installed, "another")
    assert Stamp.origin(installed) == :changed
  end

  test "says of a library that is not built what to do" do
    examined = Doctor.examine(libraries: [NeverBuilt])
    assert finding = Enum.find(examined.findings, &(&1.problem =~ "NeverBuilt has no native library"))
    assert %{severity: :error, area: :native} = finding
    assert finding.advice =~ "run mix compile"
    assert to_string(examined) =~ "native library Pipeline.DoctorTest.NeverBuilt: not loaded"
  end

  @tag hooks: Hooks
  @tag :capture_log
  test "tells which plugins are not well, which points are closed, and what to do", %{instance: instance} do
    opts = [instance: instance]

    guard =
      plugin id: "guard\n\e[31m" do
        hook :before, :admit do
          def admit(context, next), do: next.(context)
        end
      end

    ill =
      plugin id: :ill do
        hook :before, :work, on_error: :skip, circuit: [failures: 1] do
          def work(_context, _next), do: raise("no luck")
        end

        @impl Pipeline.Plugin
        def health(_state), do: {:error, "disk\n\e[31m full"}
      end

    {:ok, _} = Manager.load_plugins([guard, ill], opts)
    assert [{%{plugins: [_, _]}, [%{problem: ":ill in " <> _}]}] = Instances.examine([instance], 5_000)
    Hook.run(instance, :work, 1, nil)
    :ok = Manager.hold_plugin("guard\n\e[31m", opts)

    assert [{_summary, findings}] = Instances.examine([instance], 5_000)
    assert [held, unhealthy, closed, circuit] = problems(findings)
    name = inspect(instance)
    assert {:error, ~S("guard\n\e[31m" is wanted in ) <> rest} = held
    assert rest == name <> " and does not run: {:state, :held}"
    assert {:error, ":ill in " <> rest} = unhealthy
    assert rest == name <> ~S( says that it is unhealthy: "disk\n\e[31m full")

    assert {:error, ":admit of #{name} refuses every run, since " <> ~S("guard\n\e[31m" is held)} == closed
    assert {:warning, "the circuit of :ill in #{name} is open on :work"} == circuit
    for finding <- findings, do: assert(finding.advice =~ ~r/\w/ and not (finding.problem =~ ~r/[\n\e]/))
  end

  test "passes over an instance that has ended", %{instance: instance} do
    assert [{_summary, []}] = Instances.examine([{:ended, instance}, instance], 5_000)
  end

  @tag :tmp_dir
  test "tells what is misconfigured, and shows no key", %{tmp_dir: folder} do
    env = [
      hook_budgte: 5,
      hook_budget: 5_000,
      store: folder <> "/missing/store",
      packages: folder,
      trust: ["ed25519-private:hidden"],
      plugins: [Pipeline.DoctorTest.Absent, {Pipeline.Plugins.LocalProvider, %{}}]
    ]

    findings = Configuration.findings(env)

    assert [
             {:error, "config :pipeline_plugin has no option :hook_budgte"},
             {:error, "entry 1 of trust: is no public key"},
             {:warning, "hook_budget: 5000 lets a native call hold" <> _},
             {:error, "store: cannot be written: " <> _},
             {:error, "plugins: names Pipeline.DoctorTest.Absent, and there is no such module"}
           ] = problems(findings)

    assert hd(findings).advice =~ "Did you mean :hook_budget?"
    refute inspect(findings) =~ "hidden"
    assert [{:warning, "packages of anybody" <> _}] = problems(Configuration.findings(packages: folder))
    assert Configuration.findings(Application.get_all_env(:pipeline_plugin)) == []
  end

  test "writes JSON" do
    finding = %{severity: :warning, area: :plugins, problem: "p", advice: "a"}
    {:ok, data} = [findings: [finding]] |> Doctor.examine() |> Doctor.to_json() |> JSON.decode()
    assert data["versions"]["otp"] == System.otp_release()
    assert Enum.any?(data["libraries"], &(&1["module"] == "Pipeline.Native" and &1["hooks"] > 5))
    assert Enum.any?(data["instances"], &(&1["instance"] == "Pipeline.Plugin"))

    assert %{"severity" => "warning", "area" => "plugins", "problem" => "p", "advice" => "a"} in data[
             "findings"
           ]
  end
end
