defmodule Pipeline.Doctor do
  @moduledoc """
  Examines the VM that it runs in: versions, native libraries, configuration, packages and instances.

      iex> examined = Pipeline.Doctor.examine()
      iex> examined.versions.pipeline_plugin
      "0.1.0"

  In a project, `mix pipeline.doctor` prints it. In a release, the operator asks the node that runs:

      bin/my_app rpc "IO.puts(Pipeline.Doctor.examine())"

  Plugins are asked through `c:Pipeline.Plugin.health/1`; nothing is changed.

    * `:versions` - of this library, Elixir, OTP, and the `:platform` that native libraries are built for
    * `:libraries` - the native libraries: the module that loads each, the number of its hooks, its file and where that
      came from, or the error of loading it
    * `:schedulers` - how many of each kind are online
    * `:instances` - a `Pipeline.Plugin.Summary` for each instance
    * `:findings` - what is wrong, most serious first. Each has a `:severity`, `:error` for what does not work or
      `:warning` for what will or may not; an `:area`; the `:problem` and the `:advice`, sentences on one line
  """

  alias Pipeline.Doctor.{Configuration, Instances, Libraries, Packages}
  alias Pipeline.{Foreign, JSON, Options}
  alias Pipeline.Package.Platform
  alias Pipeline.Plugin.{Manager, Summary}

  @enforce_keys [:versions, :libraries, :schedulers, :instances, :findings]
  defstruct @enforce_keys

  @type area :: :native | :configuration | :packages | :instances | :plugins
  @type finding :: %{severity: :error | :warning, area: area, problem: String.t(), advice: String.t()}

  @type library :: %{
          module: module,
          hooks: non_neg_integer,
          file: Path.t() | nil,
          origin: String.t(),
          error: String.t() | nil
        }

  @type t :: %__MODULE__{
          versions: %{
            pipeline_plugin: String.t(),
            elixir: String.t(),
            otp: String.t(),
            platform: String.t()
          },
          libraries: [library],
          schedulers: %{normal: pos_integer, dirty_cpu: pos_integer, dirty_io: pos_integer},
          instances: [Summary.t()],
          findings: [finding]
        }

  @doc """
  Examines this VM.

  ## Options

    * `:timeout` - the time box for asking the plugins of one instance, in milliseconds, by default 1000
    * `:packages`, `:trust` - as for `Pipeline.Package.diagnose/1`, by default those of the configuration
    * `:libraries` - more modules that use `Pipeline.Native.Library`. Those that are loaded are found
    * `:findings` - more findings to report with these
  """
  @spec examine(keyword) :: t
  def examine(opts \\ []) do
    Options.validate!(
      opts,
      [:timeout, :packages, :trust, :libraries, :findings],
      "Pipeline.Doctor.examine/1"
    )

    libraries = Libraries.list(opts[:libraries] || [])
    {summaries, wrong} = running() |> Instances.examine(opts[:timeout] || 1_000) |> Enum.unzip()

    findings =
      Libraries.findings(libraries) ++
        Configuration.findings(Application.get_all_env(:pipeline_plugin)) ++
        Packages.findings(Keyword.take(opts, [:packages, :trust])) ++
        Enum.concat(wrong) ++ (opts[:findings] || [])

    %__MODULE__{
      versions: versions(),
      libraries: libraries,
      schedulers: schedulers(),
      instances: summaries,
      findings: Enum.sort_by(findings, &{&1.severity, &1.area})
    }
  end

  @doc """
  The examination as JSON, an object with the keys of the struct.

      iex> Pipeline.Doctor.to_json(Pipeline.Doctor.examine()) =~ ~s("dirty_cpu": )
      true
  """
  @spec to_json(t) :: String.t()
  def to_json(%__MODULE__{} = examined) do
    JSON.encode(%{
      "versions" => strings(examined.versions),
      "libraries" =>
        for library <- examined.libraries do
          strings(%{
            library
            | module: inspect(library.module),
              file: library.file && Foreign.path(library.file)
          })
        end,
      "schedulers" => strings(examined.schedulers),
      "instances" => Enum.map(examined.instances, &Summary.to_data/1),
      "findings" =>
        for finding <- examined.findings do
          strings(%{finding | severity: "#{finding.severity}", area: "#{finding.area}"})
        end
    })
  end

  defp strings(map), do: Map.new(map, fn {key, value} -> {Atom.to_string(key), value} end)

  # Without the application there is none.
  defp running do
    if Process.whereis(Pipeline.Plugin.ApplicationSupervisor), do: Manager.instances(), else: []
  end

  defp versions do
    %{
      pipeline_plugin: Platform.library(),
      elixir: System.version(),
      otp: System.otp_release(),
      platform: Platform.name()
    }
  end

  defp schedulers do
    %{
      normal: :erlang.system_info(:schedulers_online),
      dirty_cpu: :erlang.system_info(:dirty_cpu_schedulers_online),
      dirty_io: :erlang.system_info(:dirty_io_schedulers)
    }
  end

  defimpl String.Chars do
    alias Pipeline.Foreign

    def to_string(examined) do
      %{versions: versions, schedulers: schedulers} = examined

      [
        "pipeline_plugin #{versions.pipeline_plugin}, Elixir #{versions.elixir}, OTP #{versions.otp}, #{versions.platform}",
        "schedulers: #{schedulers.normal} normal, #{schedulers.dirty_cpu} dirty CPU, #{schedulers.dirty_io} dirty I/O"
      ]
      |> Enum.concat(Enum.map(examined.libraries, &library/1))
      |> Enum.concat(Enum.flat_map(examined.instances, &["", Kernel.to_string(&1)]))
      |> Enum.concat(["" | findings(examined.findings)])
      |> Enum.join("\n")
    end

    defp library(%{error: nil} = library) do
      "native library #{inspect(library.module)}: #{library.hooks} hooks, #{library.origin}, #{file(library.file)}"
    end

    defp library(library), do: "native library #{inspect(library.module)}: not loaded"

    defp file(nil), do: "in an unknown file"
    defp file(path), do: path |> Path.relative_to_cwd() |> Foreign.path()

    defp findings([]), do: ["nothing is wrong"]

    defp findings(findings) do
      Enum.flat_map(findings, fn finding ->
        ["#{finding.severity} (#{finding.area}): #{finding.problem}", "  #{finding.advice}"]
      end)
    end
  end
end
