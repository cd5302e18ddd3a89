defmodule Pipeline.Python.Output do
  @moduledoc false
  # Logs what one worker prints.
  #
  # Python's descriptors 1 and 2 are a socket to this process, which reads a line when it has logged the one before: a
  # worker that floods the log is held back, and C code cannot get around it. The socket has an abstract name, so no file
  # stays behind; whoever connects first has to know the token.

  require Logger

  # In bytes: the longest line, and as many lines as an error shows.
  @longest 16_384
  @last 20

  @type settings :: %{name: String.t(), token: String.t()}

  @doc "Starts it, linked to the worker. Returns what Python needs to connect."
  @spec start_link(keyword) :: {:ok, pid, settings}
  def start_link(opts) do
    settings = %{name: "pipeline-python-" <> random(), token: random()}
    address = {:local, <<0, settings.name::binary>>}
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ifaddr: address, active: false, backlog: 1])
    worker = self()

    {:ok, pid} =
      Task.start_link(fn ->
        receive do: ({:listen, ^worker} -> :ok)
        accept(listener, settings.token, opts)
      end)

    :ok = :gen_tcp.controlling_process(listener, pid)
    send(pid, {:listen, worker})
    {:ok, pid, settings}
  end

  @doc "A call begins: the last lines of an error are its own."
  @spec call_begins(pid) :: :ok
  def call_begins(pid) do
    send(pid, :call_begins)
    :ok
  end

  @doc "Waits until everything that an ended Python had printed is logged, and returns its last lines."
  @spec drain(pid, timeout) :: [String.t()]
  def drain(pid, timeout) do
    monitor = Process.monitor(pid)
    send(pid, {:drain, self(), monitor})

    receive do
      {^monitor, lines} ->
        Process.demonitor(monitor, [:flush])
        lines

      {:DOWN, ^monitor, :process, ^pid, _reason} ->
        []
    after
      # A process that Python started may still have the socket.
      timeout ->
        Process.demonitor(monitor, [:flush])
        []
    end
  end

  defp random, do: Base.url_encode64(:crypto.strong_rand_bytes(24), padding: false)

  defp accept(listener, token, opts) do
    {:ok, socket} = accept_until_drained(listener)

    case :gen_tcp.recv(socket, byte_size(token), 5_000) do
      {:ok, ^token} ->
        :gen_tcp.close(listener)
        read(socket, "", [], opts)

      _stranger ->
        :gen_tcp.close(socket)
        accept(listener, token, opts)
    end
  end

  # Python may end before it connects.
  defp accept_until_drained(listener) do
    with {:error, :timeout} <- :gen_tcp.accept(listener, 50) do
      receive do
        {:drain, worker, ref} ->
          send(worker, {ref, []})
          exit(:normal)
      after
        0 -> accept_until_drained(listener)
      end
    end
  end

  defp read(socket, rest, last, opts) do
    case line(socket, rest) do
      {:line, line, rest} ->
        log(line, opts)
        read(socket, rest, Enum.take([line | forget(last)], @last), opts)

      {:closed, ""} ->
        ended(last)

      {:closed, line} ->
        log(line, opts)
        ended([line | forget(last)])
    end
  end

  defp forget(last) do
    receive do
      :call_begins -> forget([])
    after
      0 -> last
    end
  end

  defp ended(last) do
    last = forget(last)

    receive do
      {:drain, worker, ref} -> send(worker, {ref, last |> Enum.reverse() |> Enum.map(&printable/1)})
    end
  end

  defp line(socket, text) do
    case :binary.split(text, "\n") do
      [line, rest] ->
        {:line, line, rest}

      [<<line::binary-size(@longest), rest::binary>>] ->
        {:line, line, rest}

      [text] ->
        case :gen_tcp.recv(socket, 0) do
          {:ok, more} -> line(socket, text <> more)
          {:error, _closed} -> {:closed, text}
        end
    end
  end

  defp log(line, opts) do
    line = line |> String.trim_trailing("\r") |> printable()
    if line != "", do: Logger.log(opts[:level], line, opts[:metadata])
  end

  # Neither broken UTF-8 nor control sequences reach a terminal.
  defp printable(line) do
    for <<byte <- replace_invalid(line)>>, (byte >= 32 and byte != 127) or byte == ?\t, into: "", do: <<byte>>
  end

  defp replace_invalid(text) do
    case :unicode.characters_to_binary(text) do
      text when is_binary(text) -> text
      {_error, valid, <<_byte, rest::binary>>} -> valid <> "\uFFFD" <> replace_invalid(rest)
    end
  end
end
