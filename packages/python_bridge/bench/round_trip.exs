# What a call costs: a binary to Python and back, through one worker. Prints a table of the README.
{:ok, pool} = Pipeline.Python.start_link(workers: 1)

rounds = fn bytes -> if bytes > 100_000, do: 300, else: 3_000 end

measure = fn fun, rounds ->
  for _ <- 1..div(rounds, 10), do: fun.()
  times = for _ <- 1..rounds, do: fun |> :timer.tc() |> elem(0)
  sorted = Enum.sort(times)
  {Enum.at(sorted, div(rounds, 2)), Enum.at(sorted, div(rounds * 99, 100))}
end

echo = fn term -> fn -> {:ok, ^term} = Pipeline.Python.call("copy", "copy", [term], pool: pool) end end

IO.puts("| term | median | p99 |\n|---|---|---|")

for {name, bytes} <- [{"16 B", 16}, {"1 KiB", 1_024}, {"64 KiB", 65_536}, {"1 MiB", 1_048_576}] do
  {median, p99} = measure.(echo.(String.duplicate("x", bytes)), rounds.(bytes))
  IO.puts("| a binary of #{name} | #{median} µs | #{p99} µs |")
end

rows = for n <- 1..1_000, do: %{"id" => n, "name" => "row #{n}", "score" => n / 3}
{median, p99} = measure.(echo.(rows), 100)
IO.puts("| a list of 1,000 maps of 3 | #{median} µs | #{p99} µs |")

items = 20_000
stream = Pipeline.Python.stream("builtins", "range", [items], pool: pool)
{took, ^items} = :timer.tc(fn -> Enum.count(stream) end)
IO.puts("| an item of a stream | #{Float.round(took / items, 1)} µs | |")
