defmodule Pipeline.Plugins.TelemetryPlugin.Statsd do
  @moduledoc false
  # Sends what was counted since the last time to a StatsD server, by UDP. Lines share packets that fit into one frame of
  # an Ethernet; labels are tags as DogStatsD has them: `name:3|c|#instance:shop,point:route`.
  #
  # Nobody waits for the server: what is lost is lost, as StatsD has it.

  alias Pipeline.Plugins.TelemetryPlugin.{Instances, Metric}

  # Bytes of a packet.
  @packet 1_432

  @enforce_keys [:socket, :to, :prefix, :tags, :sent]
  defstruct [:socket, :to, :prefix, :tags, :sent]

  @type t :: %__MODULE__{
          socket: :gen_udp.socket(),
          to: {:inet.ip_address(), :inet.port_number()},
          prefix: String.t(),
          tags: [{term, term}],
          sent: %{{String.t(), keyword} => non_neg_integer}
        }

  @doc "Opens a socket. What was counted before is not sent."
  @spec open(map) :: {:ok, t} | {:error, term}
  def open(%{host: host, port: port, prefix: prefix, tags: tags}) do
    with {:ok, address, family} <- resolve(String.to_charlist(host)),
         {:ok, socket} <- :gen_udp.open(0, [:binary, family, active: false]) do
      sent = Instances.counts(Instances.measure())

      {:ok,
       %__MODULE__{socket: socket, to: {address, port}, prefix: prefix, tags: Enum.sort(tags), sent: sent}}
    else
      {:error, reason} -> {:error, {:statsd, host, reason}}
    end
  end

  defp resolve(host) do
    with {:error, _} <- family(host, :inet), do: family(host, :inet6)
  end

  defp family(host, family) do
    with {:ok, address} <- :inet.getaddr(host, family), do: {:ok, address, family}
  end

  @doc "Sends what is new."
  @spec flush(t) :: t
  def flush(%__MODULE__{} = statsd) do
    measured = Instances.measure()
    counts = Instances.counts(measured)

    counters =
      for {{name, labels} = key, count} <- Enum.sort(counts),
          new = count - Map.get(statsd.sent, key, 0),
          new = if(new < 0, do: count, else: new),
          new > 0,
          do: line(statsd, name, labels, Integer.to_string(new), "c")

    gauges =
      for {name, labels, milliseconds} <- Instances.times(measured) do
        line(statsd, name, labels, :erlang.float_to_binary(milliseconds, [:compact, decimals: 6]), "g")
      end

    for packet <- packets(counters ++ gauges), do: :gen_udp.send(statsd.socket, statsd.to, packet)
    %{statsd | sent: counts}
  end

  @spec close(t) :: :ok
  def close(%__MODULE__{socket: socket}), do: :gen_udp.close(socket)

  defp line(statsd, name, labels, value, type) do
    tags =
      for {tag, value} <- statsd.tags ++ labels, do: [clean(Metric.text(tag)), ":", clean(Metric.text(value))]

    IO.iodata_to_binary([statsd.prefix, ".", name, ":", value, "|", type, "|#", Enum.intersperse(tags, ",")])
  end

  # The protocol has no escapes.
  defp clean(text), do: String.replace(text, ~r/[|#,:@\s]/u, "_")

  @doc "Lines, as many to a packet as fit."
  @spec packets([binary]) :: [binary]
  def packets(lines) do
    lines
    |> Enum.chunk_while(
      {[], 0},
      fn line, {packet, size} ->
        if size + byte_size(line) + 1 > @packet and packet != [],
          do: {:cont, together(packet), {[line], byte_size(line)}},
          else: {:cont, {[line | packet], size + byte_size(line) + 1}}
      end,
      fn
        {[], _size} -> {:cont, nil}
        {packet, _size} -> {:cont, together(packet), nil}
      end
    )
  end

  defp together(lines), do: lines |> Enum.reverse() |> Enum.intersperse("\n") |> IO.iodata_to_binary()
end
