defmodule Pipeline.Doctor.Configuration do
  @moduledoc false
  # What stands in `config :pipeline_plugin` and cannot be right.

  alias Pipeline.{Doctor, Foreign, Options}
  alias Pipeline.Package.Signature

  @longest_budget 1_000

  @spec findings(keyword) :: [Doctor.finding()]
  def findings(env) do
    unknown(env) ++ trust(env) ++ budget(env[:hook_budget]) ++ store(env[:store]) ++ plugins(env[:plugins])
  end

  defp unknown(env) do
    known = Pipeline.Plugin.Application.settings()

    for {key, _value} <- env, key not in known do
      finding(
        :error,
        "config :pipeline_plugin has no option #{Foreign.term(key)}",
        "remove it; the application does not start with it." <> Options.did_you_mean(key, known)
      )
    end
  end

  defp trust(env) do
    case env[:trust] do
      nil ->
        if env[:packages] do
          [
            finding(
              :warning,
              "packages of anybody are loaded: packages: is configured and trust: is not",
              "name the public keys of those who may sign: trust: [\"ed25519:...\"]"
            )
          ]
        else
          []
        end

      keys ->
        # Not the key itself: it may be the private one.
        for {key, place} <- Enum.with_index(List.wrap(keys), 1), Signature.public_key(key) == :error do
          finding(
            :error,
            "entry #{place} of trust: is no public key",
            "write the text of the file .pub that mix pipeline.package --new-key made"
          )
        end
    end
  end

  defp budget(budget) when is_integer(budget) and budget > @longest_budget do
    [
      finding(
        :warning,
        "hook_budget: #{budget} lets a native call hold a scheduler for more than #{@longest_budget} µs",
        "leave it out (500), so that long calls go on on a dirty scheduler"
      )
    ]
  end

  defp budget(_budget), do: []

  defp store(path) when is_binary(path) do
    folder = path |> Path.expand() |> Path.dirname()

    case File.stat(folder) do
      {:ok, %{type: :directory, access: access}} when access in [:write, :read_write] ->
        []

      _ ->
        [
          finding(
            :error,
            "store: cannot be written: #{Foreign.path(folder)} is no folder that this user may write to",
            "make the folder, or give another path"
          )
        ]
    end
  end

  defp store(_store), do: []

  defp plugins(plugins) when is_list(plugins) do
    for entry <- plugins, module = module(entry), not Code.ensure_loaded?(module) do
      finding(
        :error,
        "plugins: names #{Foreign.term(module)}, and there is no such module",
        "correct the name, or add the dependency that has it"
      )
    end
  end

  defp plugins(_plugins), do: []

  defp module({module, _config}), do: module(module)
  defp module(module) when is_atom(module), do: module
  # A package is named by its path.
  defp module(_package), do: nil

  defp finding(severity, problem, advice) do
    %{severity: severity, area: :configuration, problem: problem, advice: advice}
  end
end
