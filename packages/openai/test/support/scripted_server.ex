defmodule ScriptedServer do
  @moduledoc "The scripted server, one for each test module."

  import ExUnit.Callbacks

  @doc "Starts it and returns its address."
  def start! do
    port =
      Port.open({:spawn_executable, System.find_executable("python3")}, [
        :binary,
        line: 100,
        args: [Path.join(__DIR__, "scripted_server.py")]
      ])

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

  @doc "Waits until the streams of a model are closed or open, or the server waits for its reader."
  def wait(address, what, model), do: ask(address, "#{what}/#{model}")["done"]

  @doc "How many requests there were with a model."
  def requests(address, model), do: ask(address, "requests/#{model}")["requests"]

  defp ask(address, path) do
    {:ok, _} = Application.ensure_all_started(:inets)
    url = String.to_charlist("#{address}/#{path}")
    {:ok, {{_, 200, _}, _, body}} = :httpc.request(:get, {url, []}, [timeout: 30_000], body_format: :binary)
    {:ok, answer} = Pipeline.OpenAI.Transport.decode_json(body)
    answer
  end
end
