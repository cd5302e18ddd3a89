defmodule Bench.Machine do
  @moduledoc "What is measured on."

  @doc "Processor, system and versions."
  @spec describe() :: String.t()
  def describe do
    "#{cpu()}, #{System.schedulers_online()} schedulers; #{os()}; #{rust()}; " <>
      "Elixir #{System.version()}, OTP #{System.otp_release()}, #{:erlang.system_info(:emu_flavor)}"
  end

  @doc "The load average of the last minute."
  @spec load() :: String.t()
  def load do
    case File.read("/proc/loadavg") do
      {:ok, text} -> text |> String.split() |> hd()
      {:error, _} -> "unknown"
    end
  end

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
