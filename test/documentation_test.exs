defmodule Pipeline.DocumentationTest do
  # Every public function has a doc and a spec, and links between pages lead somewhere.
  use ExUnit.Case, async: true

  @root Path.expand("..", __DIR__)

  # Defined by `use`, or by Elixir itself.
  @generated [
    __struct__: 0,
    __struct__: 1,
    exception: 1,
    message: 1,
    child_spec: 1,
    behaviour_info: 1,
    impl_for: 1
  ]

  defp modules do
    {:ok, modules} = :application.get_key(:pipeline_plugin, :modules)

    for module <- modules,
        source = module.module_info(:compile)[:source],
        not String.contains?(to_string(source), "/test/support/"),
        {:docs_v1, _, :elixir, _, moduledoc, _, docs} <- [Code.fetch_docs(module)],
        do: {module, moduledoc, docs}
  end

  test "every module says what it is for, or that it is internal" do
    assert length(modules()) > 200
    assert for({module, :none, _} <- modules(), not implementation?(module), do: module) == []
  end

  defp implementation?(module), do: function_exported?(module, :__impl__, 1)

  test "every public function of a public module has a doc and a spec" do
    public = for {module, %{}, docs} <- modules(), do: {module, docs}
    assert length(public) > 30

    lacking =
      for {module, docs} <- public,
          behaviours = callbacks(module),
          specs = specs(module),
          {{kind, name, arity}, _, _, doc, metadata} <- docs,
          kind in [:function, :macro],
          doc != :hidden,
          {name, arity} not in @generated,
          {name, arity} not in behaviours,
          lacks <- lacks(doc, kind, metadata, {name, arity} in specs),
          do: "#{inspect(module)}.#{name}/#{arity} has no #{lacks}"

    assert lacking == []
  end

  defp lacks(doc, kind, metadata, spec?) do
    documented? = is_map(doc) or is_map_key(metadata, :delegate_to)
    if(documented?, do: [], else: ["doc"]) ++ if(spec? or kind == :macro, do: [], else: ["spec"])
  end

  defp callbacks(module) do
    for {:behaviour, behaviours} <- module.module_info(:attributes),
        behaviour <- behaviours,
        Code.ensure_loaded?(behaviour),
        function_exported?(behaviour, :behaviour_info, 1),
        callback <- behaviour.behaviour_info(:callbacks),
        do: callback
  end

  defp specs(module) do
    {:ok, specs} = Code.Typespec.fetch_specs(module)

    for {{name, arity}, _} <- specs, do: {name, arity}
  end

  test "links between pages lead somewhere" do
    pages =
      Enum.flat_map(~w(*.md docs/**/*.md packages/*/*.md native/*/*.md), &Path.wildcard(Path.join(@root, &1)))

    assert length(pages) > 20

    broken =
      for page <- pages,
          text = Regex.replace(~r/^```.*?^```/ms, File.read!(page), ""),
          text = Regex.replace(~r/`[^`\n]*`/, text, ""),
          [_, target] <- Regex.scan(~r/\]\(([^)\s]+)\)/, text),
          not (target =~ ~r/^[a-z]+:/),
          not resolves?(target, page),
          do: "#{Path.relative_to(page, @root)}: #{target}"

    assert broken == []
  end

  defp resolves?("#" <> anchor, page), do: anchor in anchors(page)

  defp resolves?(target, page) do
    [path | anchor] = String.split(target, "#", parts: 2)
    file = Path.expand(path, Path.dirname(page))
    File.exists?(file) and (anchor == [] or Path.extname(file) != ".md" or hd(anchor) in anchors(file))
  end

  # As GitHub makes them.
  defp anchors(page) do
    for [_, heading] <- Regex.scan(~r/^\#{1,6} (.+)$/m, File.read!(page)) do
      heading |> String.downcase() |> String.replace(~r/[^\p{L}\p{N}_ -]/u, "") |> String.replace(" ", "-")
    end
  end
end
