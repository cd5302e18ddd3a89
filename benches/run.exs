# What the parts of the system cost, each against something else in the same run. bin/bench starts it.

for file <-
      ~w(pair table core_process original_hook_manager registry resolution discovery hooks redaction ticker loading core) do
  Code.require_file("elixir/#{file}.ex", __DIR__)
end

groups = [
  registry: Bench.Registry,
  resolution: Bench.Resolution,
  discovery: Bench.Discovery,
  hooks: Bench.Hooks,
  redaction: Bench.Redaction,
  ticker: Bench.Ticker,
  loading: Bench.Loading,
  core: Bench.Core
]

known = Enum.map(groups, fn {name, _} -> Atom.to_string(name) end)

case System.argv() -- known do
  [] -> :ok
  [other | _] -> Mix.raise("there is no group of benchmarks #{other}. Known: #{Enum.join(known, ", ")}")
end

load = Bench.Table.load()

rows =
  for {name, module} <- groups, System.argv() == [] or Atom.to_string(name) in System.argv() do
    IO.puts(:stderr, "measuring: #{name}")
    module.rows()
  end
  |> Enum.concat()

table = Bench.Table.render(rows, load)
IO.puts(table)

# A part of the table would stand for the whole.
if System.argv() == [] do
  path = Path.join([__DIR__, "results", "#{Date.utc_today()}-otp#{System.otp_release()}.md"])
  File.mkdir_p!(Path.dirname(path))
  File.write!(path, table)
  IO.puts(:stderr, "written to #{Path.relative_to_cwd(path)}")
end
