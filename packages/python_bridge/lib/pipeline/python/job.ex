defmodule Pipeline.Python.Job do
  @moduledoc false
  # A call or a stream, from the caller through the pool to a worker.

  # The arguments are in no report.
  @derive {Inspect, except: [:request]}
  @enforce_keys [:kind, :request, :timeout]
  defstruct [:kind, :request, :timeout, :worker, :owner, :id, :from, :deadline]

  @type t :: %__MODULE__{
          kind: :call | :stream,
          # In the external term format.
          request: binary,
          timeout: timeout,
          # The worker that it needs, since an argument lives there.
          worker: pid | nil,
          # Of the object that the call returns, if it keeps one.
          owner: pid | nil,
          # The rest is the pool's.
          id: pos_integer | nil,
          from: GenServer.from() | nil,
          deadline: integer | :infinity | nil
        }

  @spec caller(t) :: pid
  def caller(%__MODULE__{from: {pid, _tag}}), do: pid

  @doc "When a job that is taken on now has to be done, in monotonic milliseconds."
  @spec deadline(timeout) :: integer | :infinity
  def deadline(:infinity), do: :infinity
  def deadline(timeout), do: System.monotonic_time(:millisecond) + timeout

  @doc "Has this process get a message at the deadline."
  @spec start_timer(integer | :infinity, term) :: reference | nil
  def start_timer(:infinity, _message), do: nil

  def start_timer(deadline, message),
    do: Process.send_after(self(), message, max(deadline, System.monotonic_time(:millisecond)), abs: true)

  @spec cancel_timer(reference | nil) :: :ok
  def cancel_timer(nil), do: :ok

  def cancel_timer(timer) do
    Process.cancel_timer(timer)
    :ok
  end
end
