defmodule Pipeline.Doctor.Packages do
  @moduledoc false
  # The folder of packages, and what is wrong with those in it.

  alias Pipeline.{Doctor, Foreign, Package}

  @spec findings(keyword) :: [Doctor.finding()]
  def findings(opts) do
    case opts[:packages] || Application.get_env(:pipeline_plugin, :packages) do
      nil -> []
      folder -> folder(folder, opts)
    end
  end

  defp folder(folder, opts) do
    if is_binary(folder) and File.dir?(folder) do
      for {package, sentence} <- Package.diagnose(Keyword.put(opts, :packages, folder)) do
        %{
          severity: :error,
          area: :packages,
          problem: Foreign.line("#{package}: #{sentence}"),
          advice: "mix pipeline.info shows the package; install a version that fits, or uninstall it"
        }
      end
    else
      [
        %{
          severity: :warning,
          area: :packages,
          problem: "the folder of packages does not exist: #{Foreign.term(folder)}",
          advice: "it is made when the first package is installed; if there should be some, correct packages:"
        }
      ]
    end
  end
end
