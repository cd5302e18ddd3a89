defmodule Bench.Discovery do
  @moduledoc "Manifests out of many BEAM files."

  alias Bench.Pair
  alias Pipeline.Plugin.Discovery

  @files 2_000
  @plugins 50

  def rows do
    dir = Path.join(System.tmp_dir!(), "pipeline_bench_#{System.pid()}.ebin")
    File.mkdir_p!(dir)

    try do
      write(dir)
      paths = dir |> Path.join("*.beam") |> Path.wildcard() |> Enum.map(&String.to_charlist/1)
      @files = length(paths)

      subject = Pair.repeat(fn -> {:ok, _} = Discovery.discover_plugins([dir]) end)
      reference = Pair.repeat(fn -> Enum.flat_map(paths, &manifests/1) end)

      {:ok, found} = Discovery.discover_plugins([dir])
      @plugins = length(found)
      @plugins = paths |> Enum.flat_map(&manifests/1) |> length()

      [
        Pair.row(subject, reference,
          what: "manifests from 2,000 BEAM files, 50 of plugins",
          against: ":beam_lib.chunks on each",
          target: 0.2,
          rounds: 21,
          times: 1
        )
      ]
    after
      File.rm_rf!(dir)
    end
  end

  defp manifests(path) do
    {:ok, {_module, [attributes: attributes]}} = :beam_lib.chunks(path, [:attributes])
    Keyword.get_values(attributes, :pipeline_plugin)
  end

  # The modules of Elixir and OTP, as often as it takes, and plugins.
  defp write(dir) do
    installed =
      for directory <- :code.get_path(),
          path <- Path.wildcard(Path.join(directory, "*.beam")),
          not String.contains?(path, "/_build/"),
          do: path

    installed
    |> Stream.cycle()
    |> Stream.take(@files - @plugins)
    |> Stream.with_index()
    |> Enum.each(fn {path, number} -> File.cp!(path, Path.join(dir, "other_#{number}.beam")) end)

    for n <- 1..@plugins do
      {:module, module, binary, _} =
        Module.create(
          :"Elixir.Bench.Discovered#{n}",
          quote do
            use Pipeline.Plugin, id: unquote(:"discovered_#{n}"), version: "1.0.0"
            @moduledoc "Is found."
            capability :found, [unquote(n)]
            depends_on :base, version: "~> 1.0", optional: true
            hook :before, :step, do: def(step(context, next), do: next.(context))
          end,
          Macro.Env.location(__ENV__)
        )

      File.write!(Path.join(dir, "#{module}.beam"), binary)
    end
  end
end
