defmodule Pipeline.Dashboard.Views.Packages do
  @moduledoc false
  # The packages that an instance's folder has.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Package

  @spec show(term) :: Pipeline.Dashboard.Markup.markup()
  def show(instance) do
    packages = Package.list(instance: instance)

    [
      table(
        "Packages",
        ["Package", "Version", "Plugin", "Description", "Signed by", "Platforms"],
        for(package <- packages, do: row(package)),
        "No package is installed, or the instance has no folder for them (packages:)."
      ),
      for(
        {package, sentence} <- Package.diagnose(instance: instance),
        do: el(:p, [class: "problem"], [package, ": ", sentence])
      )
    ]
  rescue
    error in Pipeline.Plugin.Error -> el(:p, [class: "empty"], term(error))
  end

  defp row(package) do
    platforms = if package.platforms == [], do: "all", else: Enum.join(package.platforms, ", ")
    [package.name, package.version, package.id, package.description, package.signed_by || "nobody", platforms]
  end
end
