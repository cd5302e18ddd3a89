defmodule Pipeline.PythonCase do
  @moduledoc """
  Gives each test a pool of its own, with `test/python` among its paths.

  `@tag pool: [workers: 2]` says with which settings; `@tag pool: false` that there is none. PIPELINE_PYTHON names another
  interpreter than `python3`.
  """

  use ExUnit.CaseTemplate

  alias Pipeline.Python

  using do
    quote do
      import Pipeline.PythonCase
      alias Pipeline.Python
      alias Pipeline.Python.Error
    end
  end

  setup context do
    case Map.get(context, :pool, []) do
      false -> :ok
      settings -> {:ok, pool: start_pool(settings)}
    end
  end

  @doc "Starts a pool, which ends with the test."
  @spec start_pool(keyword) :: pid
  def start_pool(settings \\ []) do
    start_supervised!({Python, settings(settings)}, id: make_ref())
  end

  @doc "The id by which `stop_supervised/1` knows a pool."
  @spec pool_id(pid) :: term
  def pool_id(pool) do
    {:ok, supervisor} = ExUnit.fetch_test_supervisor()
    [id] = for {id, ^pool, _, _} <- Supervisor.which_children(supervisor), do: id
    id
  end

  @doc "Settings for tests."
  @spec settings(keyword) :: keyword
  def settings(settings \\ []) do
    Keyword.merge([python_path: interpreter(), workers: 1, paths: ["test/python"]], settings)
  end

  @spec interpreter() :: String.t()
  def interpreter, do: System.get_env("PIPELINE_PYTHON") || "python3"

  @doc "A folder that is gone after the test."
  @spec folder!() :: Path.t()
  def folder! do
    folder =
      Path.join(System.tmp_dir!(), "python_bridge_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    folder
  end

  @doc "Calls a function of test/python/probe.py."
  @spec probe(pid, atom | String.t(), list, keyword) :: {:ok, term} | {:error, Python.Error.t()}
  def probe(pool, function, args \\ [], opts \\ []),
    do: Python.call("probe", function, args, [pool: pool] ++ opts)

  @doc """
  Waits until a file is there that Python writes, and returns what is in it.

  Python can send no message, so this looks again and again; no outcome depends on how often.
  """
  @spec await_file(Path.t()) :: String.t()
  def await_file(path),
    do: await(fn -> with {:ok, text} when text != "" <- File.read(path), do: text, else: (_ -> nil) end)

  @doc "Waits until an operating system process is gone."
  @spec await_gone(pos_integer | String.t()) :: true
  def await_gone(os_pid), do: await(fn -> not running?(os_pid) end)

  @doc "Whether an operating system process runs. One that has ended and whose parent has not looked yet does not."
  @spec running?(pos_integer | String.t()) :: boolean
  def running?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, stat} -> (stat |> String.split(")") |> List.last() |> String.split() |> hd()) not in ["Z", "X"]
      _ -> false
    end
  end

  @doc "Looks until the function returns something else than nil or false."
  @spec await((() -> term), integer) :: term
  def await(look, until \\ System.monotonic_time(:millisecond) + 30_000) do
    cond do
      found = look.() ->
        found

      System.monotonic_time(:millisecond) > until ->
        raise "it did not come about in 30 seconds"

      true ->
        receive do: (:nothing_sends_this -> :ok), after: (5 -> await(look, until))
    end
  end

  @doc "Kills an operating system process."
  @spec kill(pos_integer, String.t()) :: :ok
  def kill(os_pid, signal \\ "KILL") do
    {_, 0} = System.cmd("/bin/sh", ["-c", "kill -s #{signal} #{os_pid}"])
    :ok
  end
end
