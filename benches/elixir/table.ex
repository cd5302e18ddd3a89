defmodule Bench.Table do
  @moduledoc "The results as a Markdown table, with what they were measured on."

  @spec render([map], load :: String.t()) :: String.t()
  def render(rows, load_before) do
    header = ["what", "against", "ratio", "10–90 %", "median", "against", "target", "verdict"]
    cells = [header | Enum.map(rows, &cells/1)]

    widths =
      cells
      |> Enum.zip_with(& &1)
      |> Enum.map(fn column -> column |> Enum.map(&String.length/1) |> Enum.max() end)

    [header | body] = for row <- cells, do: line(row, widths)
    rule = "|" <> Enum.map_join(widths, "|", &String.duplicate("-", &1 + 2)) <> "|"

    """
    # Measured on #{Date.utc_today()}

    #{cpu()}, #{System.schedulers_online()} schedulers; #{os()}; #{rust()}; Elixir #{System.version()}, OTP #{System.otp_release()}.
    Load average #{load_before} before, #{load()} after: what else the machine did falls on both sides of a row, and widens the 10–90 % range
    of the ratios of its rounds. Ratio is that of the medians. Reproduce with `bin/bench`.

    #{Enum.join([header, rule | body], "\n")}
    """
  end

  @doc "The load average of the last minute."
  @spec load() :: String.t()
  def load do
    case File.read("/proc/loadavg") do
      {:ok, text} -> text |> String.split() |> hd()
      {:error, _} -> "unknown"
    end
  end

  defp line(row, widths) do
    "| " <>
      (row
       |> Enum.zip(widths)
       |> Enum.map_join(" | ", fn {cell, width} -> String.pad_trailing(cell, width) end)) <> " |"
  end

  defp cells(row) do
    ratio = row.subject / row.reference

    [
      row.what,
      row.against,
      ratio(ratio),
      "#{ratio(row.low)}–#{ratio(row.high)}",
      duration(row.subject),
      duration(row.reference),
      if(row.target, do: "≤ #{row.target}", else: ""),
      verdict(ratio, row.target)
    ]
  end

  defp verdict(_ratio, nil), do: ""
  defp verdict(ratio, target) when ratio <= target, do: "met"
  defp verdict(_ratio, _target), do: "missed"

  defp ratio(ratio) when ratio < 0.1, do: :erlang.float_to_binary(ratio * 1.0, decimals: 4)
  defp ratio(ratio), do: :erlang.float_to_binary(ratio * 1.0, decimals: 2)

  defp duration(ns) when ns < 1_000, do: rounded(ns, "ns")
  defp duration(ns) when ns < 1_000_000, do: rounded(ns / 1_000, "µs")
  defp duration(ns) when ns < 1_000_000_000, do: rounded(ns / 1_000_000, "ms")
  defp duration(ns), do: rounded(ns / 1_000_000_000, "s")

  defp rounded(value, unit) when value < 10,
    do: :erlang.float_to_binary(value * 1.0, decimals: 2) <> " " <> unit

  defp rounded(value, unit), do: :erlang.float_to_binary(value * 1.0, decimals: 1) <> " " <> unit

  defp cpu do
    with {:ok, text} <- File.read("/proc/cpuinfo"),
         [_, model] <- Regex.run(~r/^model name\s*: (.*)$/m, text) do
      model
    else
      _ -> List.to_string(:erlang.system_info(:system_architecture))
    end
  end

  defp os do
    with {:ok, text} <- File.read("/etc/os-release"),
         [_, name] <- Regex.run(~r/^PRETTY_NAME="(.*)"$/m, text) do
      name
    else
      _ -> inspect(:os.type())
    end
  end

  defp rust do
    {version, 0} = System.cmd("rustc", ["--version"])
    version |> String.split() |> Enum.take(2) |> Enum.join(" ")
  end
end
