defmodule Bench.CoreProcess do
  @moduledoc "The core's own program, asked to order a graph whenever it is its turn."

  def start(graph) do
    path = Path.join(System.tmp_dir!(), "pipeline_bench_#{System.pid()}.graph")
    File.write!(path, Enum.map(graph, fn {_plugin, needed} -> [Enum.join(needed, " "), "\n"] end))

    port = Port.open({:spawn_executable, executable()}, [:binary, line: 100, args: ["load-order", path]])

    %{port: port, path: path}
  end

  # Whoever measures is not the owner, so the port is asked to answer to it.
  def load_order(%{port: port}) do
    caller = self()
    owner = :erlang.port_info(port, :connected) |> elem(1)
    if owner != caller, do: true = :erlang.port_connect(port, caller)
    Port.command(port, "\n")

    receive do
      {^port, {:data, {:eol, nanoseconds}}} -> String.to_integer(nanoseconds)
    end
  end

  def stop(%{port: port, path: path}) do
    if Port.info(port), do: Port.close(port)
    File.rm(path)
  end

  def executable do
    target = System.get_env("CARGO_TARGET_DIR") || "target"
    path = Path.expand(Path.join([target, "release", "core_bench"]))
    if File.exists?(path), do: path, else: Mix.raise("#{path} is not built; run bin/bench")
  end
end
