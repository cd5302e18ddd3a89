defmodule Pipeline.Hook.ChainStore do
  @moduledoc false
  # The chains of an instance, a persistent term for each point (`Pipeline.Hook.Dispatch`). A change of several points
  # becomes visible in one step: each term holds the new chain and the old one with the generation from which the new one
  # counts, and what publishes them is one write to an atomic counter. Later, when nothing more has changed, the new
  # chains are put in place alone (`settle/1`), so that runs need not ask the counter. A run that has begun on a chain
  # finishes on it.
  #
  # Each chain is published as a version of its own, with its own counts of runs (`Pipeline.Hook.Drain`). A version that
  # no run finds any more is closed right after. It is never put in place again: the same chain comes back as a new
  # version.
  #
  # There is one writer, the manager of the instance.

  alias Pipeline.Hook.{Chain, ChainUpdate, Dispatch, Drain, Published, Selection, Spec, Trace}
  alias Pipeline.Instance
  alias Pipeline.Instance.Names

  @behaviour Instance.Published

  # Milliseconds between two looks at a point whose keeper was killed, and how long its instance may be gone.
  @shortest 1
  @longest 50
  @patience 5_000

  @typedoc "What stands in the term of a point while several points change."
  @type pending ::
          {:pending, :atomics.atomics_ref(), generation :: pos_integer, new :: Published.t() | nil,
           old :: Published.t() | closed | nil}

  @doc "Makes the table of an instance, with the points that the host's spec declares, and who is down there."
  @impl true
  def value(instance, {spec, _check?, _down}) do
    # A killed instance of the name leaves its own.
    if exists?(instance), do: close(instance)

    %{
      generation: :atomics.new(1, signed: false),
      points: MapSet.new(Map.keys(declared(spec))),
      spec: if(spec && not Spec.open?(spec), do: spec)
    }
  end

  # One by one: nobody runs hooks of an instance that is about to start.
  @impl true
  def opened(instance, {spec, check?, down}) do
    for {point, declaration} <- declared(spec) do
      chain = Chain.declared(point, instance, declaration, check?, Map.get(down, point, %{}))
      replace(instance, point, Published.of(chain, nil))
    end

    :ok
  end

  defp declared(nil), do: %{}
  defp declared(spec), do: spec.__hookpoints__()

  @impl true
  def close(instance) do
    for point <- index!(instance).points do
      Selection.forget(instance, point)
      erase(instance, point)
    end

    :ok
  end

  @spec exists?(atom) :: boolean
  def exists?(instance), do: Instance.Published.get(instance, __MODULE__) != nil

  @doc "Raises where there is no such instance."
  @spec check!(term) :: :ok
  def check!(instance) do
    index!(instance)
    :ok
  end

  @doc "Raises where no run may take place on a point without a chain: there is no such instance, or no such point in it."
  @spec check!(term, atom) :: :ok
  def check!(instance, point) do
    case index!(instance) do
      %{spec: nil} -> :ok
      %{spec: spec} -> raise ArgumentError, Spec.undeclared(spec, point)
    end
  end

  @doc "The chain of a point, `nil` where nothing stands."
  @spec chain(atom, atom) :: Chain.t() | nil
  def chain(instance, point) do
    with nil <- standing(instance, point) do
      check!(instance)
      nil
    end
  end

  @typedoc "What stands in the term of a point that is closed, until its keeper ends."
  @type closed :: {:closed, {keeper :: pid, key :: term}, Published.t() | nil}

  @doc "What is next to be looked at where a run has found a point that is changed with others, or closed: then it waits."
  @spec current(pending | closed) :: Published.t() | pending | closed | nil
  def current({:closed, {keeper, key}, _old}), do: await_open(key, keeper)
  def current(pending), do: visible(pending)

  # A process that waits here is not in a run.
  defp await_open(key, keeper) do
    monitor = Process.monitor(keeper)

    receive do
      {:DOWN, ^monitor, :process, ^keeper, _reason} -> await_open(key, keeper, @shortest, @patience)
    end
  end

  # It is open by now, unless the keeper was killed and leaves that to a manager.
  defp await_open([instance | _point] = key, keeper, pause, patience) do
    found = :persistent_term.get(key, nil)

    cond do
      keeper(found) != keeper -> found
      patience <= 0 -> raise ArgumentError, no_instance(instance)
      true -> look_again(key, keeper, pause, patience)
    end
  end

  # Without end as long as there is somebody who restarts managers.
  defp look_again([instance | _point] = key, keeper, pause, patience) do
    Process.sleep(pause)
    patience = if Names.whereis(instance, :instance), do: @patience, else: patience - pause
    await_open(key, keeper, min(pause * 2, @longest), patience)
  end

  # Who has closed a point, if it is.
  defp keeper(term) do
    with {:closed, {keeper, _key}, _old} <- visible(term), do: keeper, else: (_ -> nil)
  end

  @doc """
  Closes points that have chains: runs that come from now on wait until they are open again, at the earliest until `keeper`
  ends; those under way go on.
  """
  @spec lock(atom, [atom], pid) :: :ok
  def lock(instance, points, keeper) do
    for point <- points do
      standing = standing(instance, point)
      :persistent_term.put(Dispatch.key(instance, point), closed(instance, point, keeper))
      replaced(standing)
    end

    :ok
  end

  defp closed(instance, point, keeper) do
    {:closed, {keeper, Dispatch.key(instance, point)}, published(instance, point)}
  end

  @doc """
  Waits until all is there that a writer has put which was killed.

  The VM puts a term in place some time after it was told to, also when who told it has ended by then; but one after the
  other.
  """
  @spec await_writes(atom) :: :ok
  def await_writes(instance) do
    key = {__MODULE__, :writes, instance}
    # What is there already it would not put.
    :persistent_term.put(key, System.unique_integer())
    :persistent_term.erase(key)
    :ok
  end

  @doc "Closes the points of changes, with the chains that they get by `commit/2` behind the door."
  @spec prepare(atom, ChainUpdate.t(), pid) :: :ok
  def prepare(instance, changes, keeper) do
    %{generation: generation} = index = index!(instance)
    keep_index(instance, index, MapSet.union(index.points, MapSet.new(Map.keys(changes))))
    next = :atomics.get(generation, 1) + 1

    for {point, chain} <- changes do
      standing = standing(instance, point)
      new = chain && Published.of(chain, standing)
      pending = {:pending, generation, next, new, closed(instance, point, keeper)}
      :persistent_term.put(Dispatch.key(instance, point), pending)
      replaced(standing)
    end

    :ok
  end

  @doc "Opens all that a keeper has closed, with the new chains where they are prepared, in one step."
  @spec commit(atom, pid) :: :ok
  def commit(instance, keeper) do
    prepared =
      for {point, {:pending, generation, next, new, {:closed, {^keeper, _}, _}}} <- terms(instance),
          :atomics.get(generation, 1) < next,
          do: {point, generation, next, new}

    with [{_point, generation, next, _new} | _] <- prepared, do: :atomics.put(generation, 1, next)
    gone = for {point, _generation, _next, nil} <- prepared, do: point
    for point <- gone, do: erase(instance, point)
    keep_index(instance, index!(instance), MapSet.difference(index!(instance).points, MapSet.new(gone)))
    unlock(instance, keeper)
  end

  @doc "Opens all that a keeper has closed, with the chains from before."
  @spec unlock(atom, pid) :: :ok
  def unlock(instance, keeper) do
    gone =
      for {point, term} <- terms(instance), keeper(term) == keeper do
        {:closed, {^keeper, _key}, old} = visible(term)
        replace(instance, point, again(old))
        if old == nil, do: point
      end

    keep_index(instance, index!(instance), MapSet.difference(index!(instance).points, MapSet.new(gone)))
  end

  @doc "The keepers of the points that are closed."
  @spec keepers(atom) :: [pid]
  def keepers(instance) do
    Enum.uniq(for {_point, term} <- terms(instance), keeper = keeper(term), do: keeper)
  end

  defp terms(instance) do
    for point <- index!(instance).points,
        do: {point, :persistent_term.get(Dispatch.key(instance, point), nil)}
  end

  @doc "The points where something stands or is declared."
  @spec points(atom) :: [atom]
  def points(instance) do
    %{generation: generation, points: points} = index!(instance)
    now = :atomics.get(generation, 1)
    found = for point <- points, Chain.standing?(chain(instance, point)), do: point
    # A change in between would show as half of it.
    if :atomics.get(generation, 1) == now, do: found, else: points(instance)
  end

  @doc "Makes changes visible, all in one step. Points that are closed stay so; the changes are seen once they open."
  @spec publish(atom, ChainUpdate.t()) :: :ok
  def publish(instance, changes) do
    index = index!(instance)
    # The index names every point of which there may be a term, so that an interrupted change can be settled.
    keep_index(instance, index, MapSet.union(index.points, MapSet.new(Map.keys(changes))))

    changes =
      for {point, chain} <- changes do
        standing = standing(instance, point)
        {point, behind_door(instance, point, chain && Published.of(chain, standing)), standing}
      end

    gone = for {point, nil, _standing} <- changes, do: point

    case changes do
      [] -> :ok
      [{point, new, _standing}] -> replace(instance, point, new)
      _ -> publish_many(instance, changes, gone, index.generation)
    end

    for {_point, _new, standing} <- changes, do: replaced(standing)

    keep_index(instance, index!(instance), MapSet.difference(index!(instance).points, MapSet.new(gone)))
  end

  @doc """
  Puts the chains that count in place alone.

  After changes of several points this makes runs quicker; after the end of a writer that was killed it takes back what
  that had begun to publish.
  """
  @spec settle(atom) :: :ok
  def settle(instance) do
    for {point, {:pending, _, _, _, _} = unsettled} <- terms(instance) do
      case visible(unsettled) do
        # Its keeper opens it, or who comes after that.
        {:closed, _, _} -> :ok
        published -> replace(instance, point, published)
      end
    end

    :ok
  end

  @doc "The traces that are on."
  @spec traces(atom) :: [Trace.t()]
  def traces(instance) do
    for point <- index!(instance).points,
        %Chain{} = chain <- [chain(instance, point)],
        trace <- chain.traces,
        do: trace
  end

  @doc "Raises where no trace can be put: there is no such instance, or no such point in it."
  @spec check_traceable!(term, atom) :: :ok
  def check_traceable!(instance, point) do
    if chain(instance, point), do: :ok, else: check!(instance, point)
  end

  @doc "Puts a trace on its point, whatever stands there."
  @spec trace(Trace.t()) :: :ok
  def trace(%Trace{instance: instance, point: point} = trace) do
    chain = chain(instance, point) || Chain.new(point, instance, :chain, [])
    publish(instance, %{point => Chain.trace(chain, [trace | chain.traces])})
  end

  @doc "Takes a trace off, if it is on."
  @spec untrace(Trace.t()) :: :ok
  def untrace(%Trace{instance: instance, point: point} = trace) do
    with %Chain{} = chain <- chain(instance, point),
         true <- Enum.any?(chain.traces, &(&1.reference == trace.reference)) do
      publish(instance, %{
        point => traced(chain, Enum.reject(chain.traces, &(&1.reference == trace.reference)))
      })
    else
      _gone -> :ok
    end
  end

  # A point that is closed stays so, with the new chain behind the door.
  defp behind_door(instance, point, published) do
    case visible(:persistent_term.get(Dispatch.key(instance, point), nil)) do
      {:closed, door, _old} -> {:closed, door, published}
      _open -> published
    end
  end

  defp publish_many(instance, changes, gone, generation) do
    next = :atomics.get(generation, 1) + 1

    for {point, new, _standing} <- changes do
      key = Dispatch.key(instance, point)
      :persistent_term.put(key, {:pending, generation, next, new, visible(:persistent_term.get(key, nil))})
    end

    :atomics.put(generation, 1, next)
    for point <- gone, do: erase(instance, point)
    :ok
  end

  # Without waiting, for the writer.
  defp published(instance, point) do
    case visible(:persistent_term.get(Dispatch.key(instance, point), nil)) do
      {:closed, _keeper, old} -> old
      published -> published
    end
  end

  defp standing(instance, point) do
    with {_drain, _call, _around, chain} <- published(instance, point), do: chain
  end

  # Runs that come late fetch what stands now.
  defp replaced(nil), do: :ok

  defp replaced(%Chain{drain: drain} = chain) do
    Drain.close(drain)
    Selection.forget(chain.instance, chain.point)
  end

  # As a version on which runs can begin.
  defp again(nil), do: nil
  defp again({_drain, _call, _around, chain}), do: Published.of(chain, chain)

  # What counts of a term now: a chain, none, or that the point is closed.
  defp visible({:closed, _keeper, _old} = closed), do: closed

  defp visible({:pending, generation, from, new, old}) do
    if :atomics.get(generation, 1) >= from, do: new, else: visible(old)
  end

  defp visible(published), do: published

  defp replace(instance, point, nil), do: erase(instance, point)
  defp replace(instance, point, published), do: :persistent_term.put(Dispatch.key(instance, point), published)

  defp erase(instance, point), do: :persistent_term.erase(Dispatch.key(instance, point))

  defp traced(chain, traces), do: chain |> Chain.trace(traces) |> Chain.kept()

  defp keep_index(instance, index, points) do
    if MapSet.equal?(index.points, points) do
      :ok
    else
      Instance.Published.put(instance, __MODULE__, %{index | points: points})
    end
  end

  defp index!(instance) do
    case Instance.Published.get(instance, __MODULE__) do
      nil -> raise ArgumentError, no_instance(instance)
      index -> index
    end
  end

  defp no_instance(instance) do
    "there is no plugin instance #{inspect(instance)}: start the application :pipeline_plugin for the default one, " <>
      "or Pipeline.Plugin.Manager.start_link(name: #{inspect(instance)})"
  end
end
