defmodule Pipeline.Package.Diagnosis do
  @moduledoc false
  # What is wrong with the packages of a folder.

  alias Pipeline.Package.{Archive, Contents, Folder, Problem, Signature}
  alias Pipeline.Plugin.Discovery

  @type problem :: {package :: String.t(), sentence :: String.t()}

  @spec run(Path.t(), [Signature.public_key()] | nil) :: [problem]
  def run(folder, trust) do
    checked = for path <- Folder.list(folder), do: {path, check(path, trust)}
    bad = for {path, {:error, reason}} <- checked, do: {Path.basename(path), Problem.sentence(reason)}
    good = for {path, {:ok, manifest}} <- checked, do: {path, manifest}
    Enum.sort(bad ++ clashes(good) ++ unloadable(good))
  end

  defp check(path, trust) do
    with {:ok, contents} <- Contents.read_folder(path, Archive.limits()),
         :ok <- Contents.check_trust(contents, trust),
         :ok <- Contents.check_platform(contents.manifest),
         do: {:ok, contents.manifest}
  end

  # Versions of one package are never loaded together.
  defp clashes(packages) do
    owners =
      for {path, manifest} <- packages, {module, md5} <- manifest.modules, reduce: %{} do
        owners -> Map.update(owners, module, [{manifest.name, path, md5}], &[{manifest.name, path, md5} | &1])
      end

    for {module, several} <- owners,
        [{name, path, md5} | others] = Enum.sort(several),
        {other, other_path, other_md5} <- others,
        other != name and other_md5 != md5,
        uniq: true do
      [one, two] = Enum.map([path, other_path], &Path.basename/1)

      {one,
       "its module #{String.replace_prefix(module, "Elixir.", "")} differs from the one of #{two}, and only one of the " <>
         "two can be loaded; build both with one version of it, or leave it to the host"}
    end
  end

  defp unloadable(packages) do
    ebins = for {path, _manifest} <- packages, do: Path.join(path, "ebin")
    {:ok, found} = Discovery.discover_plugins(ebins, on_unreadable: fn _ -> :ok end)

    for {%{path: beam}, {:unloadable, sentence}} <- Discovery.diagnose(found) do
      {beam |> Path.dirname() |> Path.dirname() |> Path.basename(), sentence}
    end
  end
end
