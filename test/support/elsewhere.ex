defmodule Pipeline.Elsewhere do
  @moduledoc """
  Compiles modules in another VM, so that this one knows neither their code nor their atoms, as with plugins that
  somebody else has built.
  """

  @doc """
  Compiles a source into BEAM files and returns their directory, which is removed when the tests are over.

  `paths` are further directories of code that the source needs.
  """
  @spec compile!(String.t(), [Path.t()]) :: Path.t()
  def compile!(source, paths \\ []) do
    directory =
      Path.join(System.tmp_dir!(), "elsewhere_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(directory)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(directory) end)

    path = Path.join(directory, "source.ex")
    File.write!(path, source)
    library = Application.app_dir(:pipeline_plugin, "ebin")

    arguments = Enum.flat_map([library | paths], &["-pa", &1]) ++ ["-o", directory, path]

    case System.cmd("elixirc", arguments, stderr_to_stdout: true) do
      {_, 0} -> directory
      {output, _} -> ExUnit.Assertions.flunk(output)
    end
  end
end
