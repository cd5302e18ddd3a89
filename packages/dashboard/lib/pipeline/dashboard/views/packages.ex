defmodule Pipeline.Dashboard.Views.Packages do
  @moduledoc false
  # The packages that an instance's folder has, and what can be done with them.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Package

  @spec show(term, map) :: Pipeline.Dashboard.Markup.markup()
  def show(instance, page) do
    packages = Package.list(instance: instance)
    operator? = page.form_token != nil

    [
      table(
        "Packages",
        ["Package", "Version", "Plugin", "Description", "Signed by", "Platforms", "Loaded"] ++
          if(operator?, do: ["Actions"], else: []),
        for(
          package <- packages,
          do: row(package) ++ if(operator?, do: [forms(package, instance, page)], else: [])
        ),
        "No package is installed, or the instance has no folder for them (packages:)."
      ),
      for(
        {package, sentence} <- Package.diagnose(instance: instance),
        do: el(:p, [class: "problem"], [package, ": ", sentence])
      ),
      if(operator?, do: install(page))
    ]
  rescue
    error in Pipeline.Plugin.Error -> el(:p, [class: "empty"], term(error))
  end

  @doc "The plugin of an instance that is loaded from a package of this name, in whatever version."
  @spec loaded(Package.info(), term) :: Pipeline.Plugin.plugin_id() | nil
  def loaded(%{name: name}, instance) do
    Enum.find_value(Package.list(instance: instance), fn package ->
      if package.name == name,
        do: Enum.find_value(package.used_by, fn {at, id} -> if at == instance, do: id end)
    end)
  end

  defp row(package) do
    platforms = if package.platforms == [], do: "all", else: Enum.join(package.platforms, ", ")
    users = Enum.map_join(package.used_by, ", ", fn {instance, id} -> "#{term(id)} of #{term(instance)}" end)

    [
      package.name,
      package.version,
      package.id,
      package.description,
      package.signed_by || "nobody",
      platforms,
      if(users == "", do: "no", else: users)
    ]
  end

  defp forms(package, instance, page) do
    name = "#{package.name}-#{package.version}"

    for action <- actions(package, instance) do
      el(:form, [method: "post", action: page.prefix <> "/actions", class: "inline"], [
        hidden(page, package: name),
        el(
          :button,
          [type: "submit", name: "action", value: action, "aria-label": "#{action} #{name}"],
          action
        )
      ])
    end
  end

  defp actions(%{used_by: []} = package, instance) do
    [if(loaded(package, instance), do: "upgrade", else: "load"), "uninstall"]
  end

  defp actions(_in_use, _instance), do: []

  defp install(page) do
    el(
      :form,
      [method: "post", action: page.prefix <> "/actions", enctype: "multipart/form-data", class: "card"],
      [
        hidden(page, []),
        el(:h2, [], "Install a package"),
        el(
          :label,
          [for: "file"],
          "File NAME-VERSION.plugin.tar.gz; it is checked before anything is written, and not loaded"
        ),
        el(:input, id: "file", name: "file", type: "file", required: true, accept: ".gz"),
        el(:button, [type: "submit", name: "action", value: "install"], "install")
      ]
    )
  end

  defp hidden(page, more) do
    for {name, value} <- [form_token: page.form_token, instance: Views.key(page.instance)] ++ more,
        do: el(:input, type: "hidden", name: name, value: value)
  end
end
