defmodule Pipeline.Plugin.Discovery.Diagnosis do
  @moduledoc false
  # Which of the plugins that were found could be loaded together, and what keeps the others from it.

  alias Pipeline.Foreign
  alias Pipeline.Plugin.{Discovery, Loader, Requirement}
  alias Pipeline.Plugin.Graph.Label

  @spec diagnose([Discovery.found()]) :: [{Discovery.found(), Discovery.verdict()}]
  def diagnose(found) do
    plugins = found |> Enum.with_index() |> Enum.map(fn {plugin, index} -> {index, plugin.manifest} end)
    {plugins, verdicts} = pass_over_copies(plugins, List.to_tuple(found), %{})
    verdicts = judge(plugins, verdicts)

    for {plugin, index} <- Enum.with_index(found), do: {plugin, Map.get(verdicts, index, :loadable)}
  end

  defp pass_over_copies(plugins, found, verdicts) do
    first =
      Enum.reduce(plugins, %{}, fn {index, manifest}, first -> Map.put_new(first, key(manifest), index) end)

    {kept, copies} = Enum.split_with(plugins, fn {index, manifest} -> first[key(manifest)] == index end)

    verdicts =
      for {index, manifest} <- copies, into: verdicts do
        path = elem(found, first[key(manifest)]).path
        {index, {:passed_over, "the same version is at #{Foreign.path(path)}, which is taken"}}
      end

    {kept, verdicts}
  end

  defp key(%{id: id, version: version}), do: {id, version}

  defp judge(plugins, verdicts) do
    {plugins, verdicts} = take_out_unmet(plugins, verdicts, &missing_sentence/2)
    {plugins, verdicts} = choose_versions(plugins, verdicts)

    case plugins |> manifests() |> Loader.load_order() do
      {:ok, _waves} ->
        verdicts

      {:error, %{reason: {:cycle, ids}} = error} ->
        {cyclic, plugins} = Enum.split_with(plugins, fn {_, manifest} -> manifest.id in ids end)
        verdicts = refuse(cyclic, verdicts, fn _ -> Exception.message(error) end)
        judge_rest(plugins, verdicts)

      # A version that was passed over met what the chosen one does not.
      {:error, %{reason: {kind, unmet}} = error} when kind in [:missing_dependencies, :version_mismatch] ->
        by = Enum.map(unmet, &elem(&1, 1))
        {lacking, plugins} = Enum.split_with(plugins, fn {_, manifest} -> manifest.id in by end)
        judge_rest(plugins, refuse(lacking, verdicts, fn _ -> Exception.message(error) end))
    end
  end

  # What needs a plugin that has just been refused cannot be loaded either.
  defp judge_rest(plugins, verdicts) do
    {plugins, verdicts} = take_out_unmet(plugins, verdicts, &refused_sentence/2)
    judge(plugins, verdicts)
  end

  defp take_out_unmet(plugins, verdicts, sentence) do
    there = index(plugins)

    case Enum.split_with(plugins, fn {_, manifest} -> unmet(manifest, there) != [] end) do
      {[], plugins} ->
        {plugins, verdicts}

      {lacking, left} ->
        verdicts = refuse(lacking, verdicts, &sentence.(&1, there))
        take_out_unmet(left, verdicts, &refused_sentence/2)
    end
  end

  defp index(plugins) do
    %{
      manifests: manifests(plugins),
      ids: Enum.group_by(plugins, fn {_, manifest} -> manifest.id end, fn {_, manifest} -> manifest end),
      capabilities:
        for({_, manifest} <- plugins, {name, _} <- manifest.capabilities, into: MapSet.new(), do: name)
    }
  end

  defp unmet(manifest, there) do
    for {target, opts} = dependency <- manifest.dependencies,
        opts[:optional] != true,
        not met?(target, opts[:version], there),
        do: dependency
  end

  defp met?({:capability, name}, _requirement, there), do: name in there.capabilities
  defp met?(id, requirement, there), do: Enum.any?(there.ids[id] || [], &match_version?(&1, requirement))

  defp match_version?(_manifest, nil), do: true
  defp match_version?(manifest, requirement), do: Requirement.match?(manifest.version, requirement)

  # In the words of the loader, which looks for what was meant among those that are there.
  defp missing_sentence(manifest, there) do
    others =
      for {id, versions} <- there.ids, id != manifest.id do
        Enum.find(versions, &wanted?(&1, manifest)) || newest(versions)
      end

    case Loader.load_order([manifest], loaded: others) do
      {:error, error} -> Exception.message(error)
      {:ok, _} -> refused_sentence(manifest, there)
    end
  end

  defp wanted?(candidate, manifest) do
    Enum.all?(manifest.dependencies, fn {target, opts} ->
      target != candidate.id or match_version?(candidate, opts[:version])
    end)
  end

  defp refused_sentence(manifest, there) do
    needed = manifest |> unmet(there) |> Enum.map_join(", ", &Label.dependency/1)
    "it needs #{needed}, which is found and cannot be loaded itself"
  end

  defp choose_versions(plugins, verdicts) do
    ids = plugins |> Enum.map(fn {_, manifest} -> manifest.id end) |> Enum.uniq()

    if length(ids) == length(plugins) do
      {plugins, verdicts}
    else
      {chosen, conflicts} = choose(manifests(plugins), roots(plugins, ids))

      plugins
      |> Enum.reverse()
      |> Enum.reduce({[], verdicts}, fn {index, %{id: id, version: version}} = plugin, {kept, verdicts} ->
        case {chosen, conflicts} do
          {%{^id => ^version}, _} -> {[plugin | kept], verdicts}
          {%{^id => other}, _} -> {kept, Map.put(verdicts, index, {:passed_over, taken(other)})}
          {_, %{^id => sentence}} -> {kept, Map.put(verdicts, index, {:unloadable, sentence})}
        end
      end)
    end
  end

  defp taken(version), do: "version #{version} is found too and is taken"

  # All that were found, each in any of its versions.
  defp roots(plugins, ids) do
    versions =
      Enum.group_by(plugins, fn {_, manifest} -> manifest.id end, fn {_, manifest} -> manifest.version end)

    for id <- ids do
      case versions[id] do
        # Named exactly, so that it may be a pre-release.
        [version] -> {id, "== " <> version}
        _several -> id
      end
    end
  end

  # Where not all go together, those that come first do.
  defp choose(manifests, roots) do
    case Loader.solve(manifests, roots) do
      {:ok, chosen} ->
        {chosen, %{}}

      {:error, _} ->
        Enum.reduce(roots, {[], %{}, %{}}, fn root, {agreed, chosen, conflicts} ->
          case Loader.solve(manifests, agreed ++ [root]) do
            {:ok, chosen} -> {agreed ++ [root], chosen, conflicts}
            {:error, error} -> {agreed, chosen, Map.put(conflicts, root_id(root), Exception.message(error))}
          end
        end)
        |> then(fn {_agreed, chosen, conflicts} -> {chosen, conflicts} end)
    end
  end

  defp root_id({id, "== " <> _}), do: id
  defp root_id(id), do: id

  defp refuse(plugins, verdicts, sentence) do
    for {index, manifest} <- plugins, into: verdicts, do: {index, {:unloadable, sentence.(manifest)}}
  end

  defp newest(manifests), do: Enum.max_by(manifests, & &1.version, Version)

  defp manifests(plugins), do: Enum.map(plugins, fn {_, manifest} -> manifest end)
end
