defmodule Pipeline.Elsewhere do
  @moduledoc """
  Compiles modules in another VM, so that this one knows neither their code nor their atoms, as with plugins that
  somebody else has built.
  """

  @doc "Compiles a source into BEAM files and returns their directory, which is removed when the tests are over."
  @spec compile!(String.t()) :: Path.t()
  def compile!(source) do
    directory =
      Path.join(System.tmp_dir!(), "elsewhere_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(directory)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(directory) end)

    path = Path.join(directory, "source.ex")
    File.write!(path, source)
    library = Application.app_dir(:pipeline_plugin, "ebin")

    case System.cmd("elixirc", ["-pa", library, "-o", directory, path], stderr_to_stdout: true) do
      {_, 0} -> directory
      {output, _} -> ExUnit.Assertions.flunk(output)
    end
  end
end
