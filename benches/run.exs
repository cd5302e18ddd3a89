# What the parts of the system cost, each against something else in the same run. bin/bench starts it.

for file <-
      ~w(effort warm_up machine pair points table core_process original_hook_manager callbacks closures by_hand counting registry
         resolution discovery hooks circuits dispatch redaction work ticker loading draining readers plugins core native_or_elixir report) do
  Code.require_file("elixir/#{file}.ex", __DIR__)
end

groups = [
  registry: Bench.Registry,
  resolution: Bench.Resolution,
  discovery: Bench.Discovery,
  hooks: Bench.Hooks,
  circuits: Bench.Circuits,
  redaction: Bench.Redaction,
  dispatch: Bench.Dispatch,
  work: Bench.Work,
  ticker: Bench.Ticker,
  loading: Bench.Loading,
  draining: Bench.Draining,
  readers: Bench.Readers,
  plugins: Bench.Plugins,
  core: Bench.Core
]

{options, wanted} = OptionParser.parse!(System.argv(), strict: [quick: :boolean])
quick? = options[:quick] == true
known = Enum.map(groups, fn {name, _} -> Atom.to_string(name) end)

case wanted -- known do
  [] -> :ok
  [other | _] -> Mix.raise("there is no group of benchmarks #{other}. Known: #{Enum.join(known, ", ")}")
end

Bench.Effort.choose(quick?)
load = Bench.Machine.load()

measured =
  for {name, module} <- groups, wanted == [] or Atom.to_string(name) in wanted, what <- [:rows, :points] do
    if function_exported?(module, what, 0) do
      started = System.monotonic_time(:millisecond)
      results = apply(module, what, [])

      IO.puts(
        :stderr,
        "#{name}, #{what}: #{Float.round((System.monotonic_time(:millisecond) - started) / 1_000, 1)} s"
      )

      {what, results}
    else
      {what, []}
    end
  end

rows = for {:rows, rows} <- measured, row <- rows, do: row
points = for {:points, points} <- measured, point <- points, do: point

# Part of the results, or hasty ones, would stand for the whole.
results =
  if wanted == [] and not quick?,
    do: Path.join(__DIR__, "results"),
    else: Path.join(Mix.Project.build_path(), "bench")

name = "#{Date.utc_today()}-otp#{System.otp_release()}"
directory = Path.join(results, name)
File.rm_rf!(directory)
File.mkdir_p!(directory)
file = Path.join(directory, "points.tsv")
File.write!(file, Bench.Points.write(points))

plots = Path.join(Path.dirname(Bench.CoreProcess.executable()), "bench_plots")
{_, 0} = System.cmd(plots, [file, directory])

figures =
  for path <- Path.wildcard(Path.join(directory, "*.svg")), into: %{} do
    {Path.basename(path, ".svg"), Path.join(name, Path.basename(path))}
  end

report = Bench.Report.render(rows, points, figures, load)
path = Path.join(results, "#{name}.md")
File.write!(path, report)
IO.puts(report)
IO.puts(:stderr, "written to #{Path.relative_to_cwd(path)}")
