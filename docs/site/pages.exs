# Writes what docs_site makes pages of: the extras and the public modules of the project, as `docs:` in mix.exs groups
# them. Run by bin/docs: mix run --no-start docs/site/pages.exs FOLDER
defmodule Pages do
  def run(folder) do
    config = Mix.Project.config()
    docs = config[:docs]
    modules = modules(config[:app])
    extras = for extra <- docs[:extras], do: extra(extra, docs[:groups_for_extras])

    File.mkdir_p!(folder)

    pages =
      order(extras, docs[:groups_for_extras]) ++
        order(Enum.map(modules, &module(&1, docs[:groups_for_modules])), docs[:groups_for_modules])

    for page <- pages, do: File.write!(Path.join(folder, Path.rootname(page.file) <> ".md"), page.text)
    write(folder, "pages.tsv", for(page <- pages, do: [page.file, page.title, page.group, page.source]))
    write(folder, "names.tsv", Enum.flat_map(modules, &names/1))
    IO.puts("#{length(extras)} pages and #{length(modules)} modules")
  end

  defp write(folder, file, rows) do
    lines = for row <- rows, do: [row |> Enum.map_join("\t", &String.replace(&1, ["\t", "\n"], " ")), "\n"]
    File.write!(Path.join(folder, file), lines)
  end

  # As the groups stand in mix.exs; what is in none comes first.
  defp order(pages, groups) do
    names = Enum.map(groups, fn {name, _members} -> to_string(name) end)
    Enum.sort_by(pages, &(Enum.find_index(names, fn name -> name == &1.group end) || -1))
  end

  defp extra(path, groups) do
    text = File.read!(path)
    [_, title] = Regex.run(~r/^# (.+)$/m, text)

    file =
      if path == "README.md",
        do: "index.html",
        else: (path |> Path.rootname() |> String.replace("/", "-")) <> ".html"

    group =
      Enum.find_value(groups, "Pages", fn {name, members} -> if path in members, do: to_string(name) end)

    %{file: file, title: String.replace(title, "`", ""), group: group, source: path, text: text}
  end

  defp modules(app) do
    :ok = Application.load(app) |> then(&if(&1 == {:error, {:already_loaded, app}}, do: :ok, else: &1))

    for module <- Application.spec(app, :modules),
        {:docs_v1, _, :elixir, _, %{"en" => moduledoc}, _, docs} <- [Code.fetch_docs(module)],
        do: %{module: module, name: inspect(module), doc: moduledoc, docs: Enum.filter(docs, &public?/1)}
  end

  defp public?({{kind, _name, _arity}, _, _, doc, metadata}) do
    doc != :hidden and
      (kind in [:type, :callback, :macrocallback] or is_map(doc) or is_map_key(metadata, :delegate_to))
  end

  defp module(%{name: name, module: module} = page, groups) do
    sections =
      for {title, kinds} <- [
            {"Types", [:type]},
            {"Callbacks", [:callback, :macrocallback]},
            {"Functions", [:function, :macro]}
          ],
          entries = for({{kind, _, _}, _, _, _, _} = entry <- page.docs, kind in kinds, do: entry),
          entries != [],
          do: ["\n## ", title, "\n\n", Enum.map(entries, &entry(&1, module))]

    title =
      case module |> Module.split() do
        ["Mix", "Tasks" | task] -> "mix " <> Enum.map_join(task, ".", &Macro.underscore/1)
        _ -> name
      end

    group =
      Enum.find_value(groups, "Modules", fn {group, members} ->
        if member?(module, members), do: to_string(group)
      end)

    text = IO.iodata_to_binary(["# ", title, "\n\n", page.doc, "\n" | sections])
    %{file: name <> ".html", title: title, group: group, source: name, text: text}
  end

  defp member?(module, members) do
    Enum.any?(List.wrap(members), fn
      %Regex{} = regex -> inspect(module) =~ regex
      other -> other == module
    end)
  end

  defp entry({{kind, name, arity} = key, _, signature, doc, metadata}, module) do
    heading = if signature == [], do: "#{name}/#{arity}", else: Enum.join(signature, " ")
    since = if metadata[:deprecated], do: "*Deprecated: #{metadata.deprecated}*\n\n", else: ""

    [
      "### `",
      heading,
      "` {#",
      anchor(key),
      "}\n\n",
      spec(kind, module, name, arity),
      since,
      text(doc, metadata),
      "\n\n"
    ]
  end

  defp text(%{"en" => text}, _metadata), do: text
  defp text(_doc, %{delegate_to: {module, name, arity}}), do: "See `#{inspect(module)}.#{name}/#{arity}`."
  defp text(_doc, _metadata), do: ""

  defp spec(kind, module, name, arity) do
    {fetch, attribute} =
      case kind do
        :type -> {&types/1, "type"}
        kind when kind in [:callback, :macrocallback] -> {&Code.Typespec.fetch_callbacks/1, "callback"}
        _ -> {&Code.Typespec.fetch_specs/1, "spec"}
      end

    {:ok, all} = fetch.(module)

    lines =
      for {{^name, ^arity}, specs} <- all, spec <- specs do
        quoted =
          if kind == :type,
            do: Code.Typespec.type_to_quoted(spec),
            else: Code.Typespec.spec_to_quoted(name, spec)

        "@#{attribute} " <> Macro.to_string(quoted)
      end

    if lines == [], do: [], else: ["```elixir\n", Enum.join(lines, "\n"), "\n```\n\n"]
  end

  defp types(module) do
    {:ok, types} = Code.Typespec.fetch_types(module)

    {:ok,
     for(
       {kind, {name, _, arguments} = type} <- types,
       kind != :typep,
       do: {{name, length(arguments)}, [type]}
     )}
  end

  defp anchor({kind, name, arity}) do
    prefix = %{type: "t:", callback: "c:", macrocallback: "c:"}[kind] || ""
    "#{prefix}#{name}/#{arity}"
  end

  # Code in text that names one of these becomes a link.
  defp names(%{name: name, module: module, docs: docs}) do
    file = name <> ".html"

    task =
      case Module.split(module) do
        ["Mix", "Tasks" | parts] -> [["mix " <> Enum.map_join(parts, ".", &Macro.underscore/1), file]]
        _ -> []
      end

    functions =
      for {{kind, function, arity} = key, _, _, _, _} <- docs do
        prefix = %{type: "t:", callback: "c:", macrocallback: "c:"}[kind] || ""
        ["#{prefix}#{name}.#{function}/#{arity}", "#{file}##{anchor(key)}"]
      end

    [[name, file] | task ++ functions]
  end
end

[folder] = System.argv()
Pages.run(folder)
