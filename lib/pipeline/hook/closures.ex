defmodule Pipeline.Hook.Closures do
  @moduledoc false
  # The closures of a chain. They are made once for runs without a base operation; those of a run that brings one take it
  # along as a second argument, and such a run makes nothing but the `next` of each hook that it gets to.
  #
  # The outermost gives the result of the run, so that a run needs no `try` besides those of its hooks.

  alias Pipeline.Hook.{Chain, Failure, Registration}

  @type run :: (term -> Chain.result())

  @doc "Closes a chain without a base operation."
  @spec call(Chain.layers(), atom | nil) :: run
  def call([], _instance), do: fn context -> {:ok, context} end

  def call(layers, instance) do
    {inside, [outermost]} = Enum.split(layers, -1)
    inside = Enum.reduce(inside, &Function.identity/1, &layer(&1, &2, instance))

    case outermost do
      {%Registration{on_error: on_error} = entry, fun} when on_error != :skip ->
        fn context ->
          try do
            {:ok, fun.(context, inside)}
          catch
            kind, reason -> Failure.finish(entry, kind, reason, __STACKTRACE__, instance)
          end
        end

      outermost ->
        whole = layer(outermost, inside, instance)

        fn context ->
          try do
            {:ok, whole.(context)}
          catch
            kind, reason -> Failure.result(kind, reason, __STACKTRACE__)
          end
        end
    end
  end

  @doc "Closes a chain for any base operation."
  @spec around(Chain.layers(), atom | nil) :: (term, Chain.step() -> Chain.result())
  def around([], _instance), do: &alone/2

  def around(layers, instance) do
    {inside, [outermost]} = Enum.split(layers, -1)
    inside = Enum.reduce(inside, &guarded/2, &layer_around(&1, &2, instance))

    case outermost do
      {%Registration{on_error: on_error} = entry, fun} when on_error != :skip ->
        fn context, core ->
          try do
            {:ok, fun.(context, fn context -> inside.(context, core) end)}
          catch
            kind, reason -> Failure.finish(entry, kind, reason, __STACKTRACE__, instance)
          end
        end

      outermost ->
        whole = layer_around(outermost, inside, instance)

        fn context, core ->
          try do
            {:ok, whole.(context, core)}
          catch
            kind, reason -> Failure.result(kind, reason, __STACKTRACE__)
          end
        end
    end
  end

  @doc "Runs a base operation that no hook is around. What it throws means the same as within a chain."
  @spec alone(term, Chain.step()) :: {:ok, term} | {:error, term}
  def alone(context, core) do
    {:ok, core.(context)}
  catch
    :throw, {:hook_error, reason} -> {:error, reason}
  end

  @doc """
  Runs a base operation within a chain.

  A failure of it is nobody's fault here; marking it as such keeps it from being taken for that of the hook around it.
  """
  @spec guarded(term, Chain.step()) :: term
  def guarded(context, core) do
    core.(context)
  catch
    kind, reason -> Failure.pass_on(:core, kind, reason, __STACKTRACE__, nil)
  end

  @doc "The closure of an Elixir hook whose failure ends the run."
  @spec step(Registration.t(), function, Chain.step(), atom | nil) :: Chain.step()
  def step(entry, fun, next, instance) do
    fn context ->
      try do
        fun.(context, next)
      catch
        kind, reason -> Failure.pass_on(entry, kind, reason, __STACKTRACE__, instance)
      end
    end
  end

  @doc "Hooks, the innermost first, around the identity."
  @spec nest([Chain.ready()], atom | nil) :: Chain.step()
  def nest(readies, instance) do
    Enum.reduce(readies, &Function.identity/1, &Chain.step(&1, &2, instance))
  end

  defp layer({:after, _readies, rest}, inside, _instance), do: fn context -> rest.(inside.(context)) end
  defp layer(ready, inside, instance), do: Chain.step(ready, inside, instance)

  defp layer_around({:after, _readies, rest}, inside, _instance) do
    fn context, core -> rest.(inside.(context, core)) end
  end

  defp layer_around({%Registration{on_error: on_error} = entry, fun}, inside, instance)
       when on_error != :skip do
    fn context, core ->
      try do
        fun.(context, fn context -> inside.(context, core) end)
      catch
        kind, reason -> Failure.pass_on(entry, kind, reason, __STACKTRACE__, instance)
      end
    end
  end

  defp layer_around(ready, inside, instance) do
    fn context, core ->
      Chain.step(ready, fn context -> inside.(context, core) end, instance).(context)
    end
  end
end
