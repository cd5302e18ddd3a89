defmodule ScriptedServer do
  @moduledoc "The scripted server, one for each test module."

  import ExUnit.Callbacks

  @doc "Starts it and returns its address."
  def start! do
    python = System.find_executable("python3") || raise "the scripted server needs python3"
    script = Path.join(__DIR__, "scripted_server.py")
    port = Port.open({:spawn_executable, python}, [:binary, line: 100, args: [script]])

    # Its input ends when the port closes, with the process that runs the tests of the module.
    number =
      receive do
        {^port, {:data, {:eol, number}}} -> number
      after
        30_000 -> raise "the scripted server does not start"
      end

    on_exit(fn -> if Port.info(port), do: Port.close(port) end)
    "http://127.0.0.1:#{number}"
  end

  @doc "How many requests there were with a model."
  def requests(address, model) do
    [_, number] = Regex.run(~r/"requests": (\d+)/, ask(address, "requests/#{model}"))
    String.to_integer(number)
  end

  @doc "Waits until no stream of a model is open, and says whether that came."
  def closed?(address, model), do: ask(address, "closed/#{model}") =~ ~s("closed": true)

  defp ask(address, path) do
    {:ok, _} = Application.ensure_all_started(:inets)
    url = String.to_charlist("#{address}/#{path}")
    {:ok, {{_, 200, _}, _, body}} = :httpc.request(:get, {url, []}, [timeout: 30_000], body_format: :binary)
    body
  end
end
