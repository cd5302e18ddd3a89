defmodule Pipeline.Conformance.Program do
  @moduledoc """
  What a hook or a base operation does, as data, and what that means in Elixir.

  A program is a list of steps, taken in order. Each is one of

    * `{:mark, mark}` - puts a mark at the end of the context's `:trail`
    * `{:add, field, number}` - adds to a number of the context, which is 0 where there is none
    * `{:give, value}` - goes on with another value
    * `{:fail, message}` - fails
    * `{:panic, message}` - panics where the language can, and otherwise fails with what a panic is reported as
    * `{:refuse, reason}` - refuses, for the reason `{:refused, reason}`
    * `{:first, times, step}` - takes the step, the first few times that it comes to it
    * `:next` - goes on to what is inside, and with its value
    * `{:retry, times}` - the same, and again that many times as long as it fails
    * `:catch` - the same; if it fails, with the value that it was given, marked with the failure

  and, in Elixir only, `{:exit, reason}`, `{:throw, reason}` and `{:error, reason}`.

  What remains after the last step is what the hook returns. `native/pipeline_term/vm_hooks/src/conformance` says the
  same in Rust, once for native hooks and once for closures of the core.
  """

  @type step :: atom | tuple
  @type t :: [step]

  # By where it goes on (`goes_on/1`), what each kind of hook can do natively, and with which steps.
  @native %{
    around: [],
    before: [:at_end, :nowhere, :fails],
    replace: [:nowhere, :fails],
    after: [:at_end, :fails],
    listen: []
  }
  @native_steps [:mark, :add, :fail, :panic, :refuse, :first, :next]

  # The same of the core, where hooks without `next` go on at their end or not at all.
  @core %{
    around: [:at_end, :nowhere, :fails, :once, :again],
    before: [:at_end, :nowhere, :fails],
    replace: [:at_end, :nowhere, :fails, :once, :again],
    after: [:at_end, :fails],
    listen: [:nowhere, :fails],
    core: [:nowhere, :fails]
  }
  @core_steps [:give, :retry, :catch | @native_steps]

  @doc "Whether a hook of this kind can do it natively."
  @spec native?(t, Pipeline.Hook.kind()) :: boolean
  def native?(program, kind) do
    goes_on(program) in Map.fetch!(@native, kind) and Enum.all?(program, &(name(&1) in @native_steps))
  end

  @doc "Whether a hook of this kind, or a base operation, can do it in the core alone."
  @spec core?(t, Pipeline.Hook.kind() | :core) :: boolean
  def core?(program, kind) do
    goes_on(program) in Map.fetch!(@core, kind) and Enum.all?(program, &(name(&1) in @core_steps))
  end

  defp name({:first, _times, step}), do: name(step)
  defp name(step) when is_tuple(step), do: elem(step, 0)
  defp name(step), do: step

  # As its last step; in one step, with more to do afterwards or with what it fails with; in several; or not at all,
  # since it answers or since it fails.
  defp goes_on(program) do
    case Enum.split_while(program, &(name(&1) not in [:next, :retry, :catch])) do
      {steps, []} ->
        if name(List.last(steps)) in [:fail, :panic, :refuse], do: :fails, else: :nowhere

      {_steps, [:next]} ->
        :at_end

      {_steps, [_once | more]} ->
        if Enum.any?(more, &(name(&1) in [:next, :retry, :catch])), do: :again, else: :once
    end
  end

  @doc "Takes the steps."
  @spec run(t, term, Pipeline.Hook.next()) :: term
  def run(program, value, next), do: Enum.reduce(program, value, &take(&1, &2, next))

  defp take({:mark, mark}, value, _next), do: Map.update(value, :trail, [mark], &(&1 ++ [mark]))
  defp take({:add, field, number}, value, _next), do: Map.update(value, field, number, &(&1 + number))
  defp take({:give, value}, _value, _next), do: value
  defp take({:fail, message}, _value, _next), do: raise(message)
  defp take({:panic, message}, _value, _next), do: raise("panicked: #{message}")
  defp take({:refuse, reason}, _value, _next), do: throw({:hook_error, {:refused, reason}})
  defp take({:exit, reason}, _value, _next), do: exit(reason)
  defp take({:throw, reason}, _value, _next), do: throw(reason)
  defp take({:error, reason}, _value, _next), do: :erlang.error(reason)

  defp take({:first, times, step} = first, value, next) do
    taken = Process.get({__MODULE__, first}, 0)
    Process.put({__MODULE__, first}, taken + 1)
    if taken < times, do: take(step, value, next), else: value
  end

  defp take(:next, value, next), do: next.(value)
  defp take({:retry, times}, value, next), do: retry(value, next, times)

  defp take(:catch, value, next) do
    next.(value)
  catch
    kind, reason -> take({:mark, caught(kind, reason)}, value, next)
  end

  defp retry(value, next, 0), do: next.(value)

  defp retry(value, next, times) do
    next.(value)
  catch
    _, _ -> retry(value, next, times - 1)
  end

  defp caught(:throw, {:hook_error, {:refused, reason}}), do: reason
  defp caught(:throw, {:hook_error, reason}), do: reason
  defp caught(_kind, reason), do: reason(reason)

  @doc "Forgets what `:first` steps have counted in this process."
  @spec reset() :: :ok
  def reset do
    for {{__MODULE__, _} = key, _} <- Process.get(), do: Process.delete(key)
    :ok
  end

  @doc "A failure's reason as every tier has it: of those of `:fail` and `:panic` the message."
  @spec reason(term) :: term
  def reason(%RuntimeError{message: message}), do: message
  def reason(%Pipeline.Hook.NativeError{hook: {VmHooks, _name}, message: message}), do: message
  def reason(reason), do: reason
end
