defmodule Pipeline.NativeFuzz.Held do
  @moduledoc """
  What native functions have returned that others take: at most a few of each kind, so that what is held does not grow.
  """

  alias Pipeline.NativeFuzz.Arguments

  @most 16

  @type kind :: :registry | :hook | :around | :segment | :visit | :run | :breaker
  @type t :: %{kind => tuple}

  @spec new() :: t
  def new, do: %{}

  @doc "Takes one in, in the place of another when there are many."
  @spec put(t, kind, term) :: t
  def put(held, kind, what) do
    Map.update(held, kind, {what}, fn
      all when tuple_size(all) < @most -> Tuple.insert_at(all, tuple_size(all), what)
      all -> put_elem(all, :rand.uniform(@most) - 1, what)
    end)
  end

  @doc "One of this kind; `nil` if there is none."
  @spec one(t, kind) :: term
  def one(held, kind) do
    case held do
      %{^kind => all} -> elem(all, :rand.uniform(tuple_size(all)) - 1)
      _ -> nil
    end
  end

  @doc "One of any kind."
  @spec any(t) :: term
  def any(held) when held == %{}, do: nil
  def any(held), do: one(held, Enum.random(Map.keys(held)))

  @doc "What a call returned, taken in."
  @spec harvest(t, atom, [term], term) :: t
  def harvest(held, name, _, registry)
      when name in [:registry_new, :registry_snapshot] and is_reference(registry),
      do: put(held, :registry, registry)

  def harvest(held, :segment, _, segment) when is_reference(segment), do: put(held, :segment, segment)

  def harvest(held, :breaker_new, _, {:ok, breaker}), do: put(held, :breaker, breaker)

  def harvest(held, :native_hook, [name, config], {:ok, hook}) do
    cond do
      name in [:retry, :cache, :guard] -> put(held, :around, hook)
      Arguments.ends?(name, config) -> put(held, :hook, hook)
      true -> held
    end
  end

  def harvest(held, _, [around, _], {:inside, visit, _}), do: put(held, :visit, {around, visit})
  def harvest(held, _, _, {:started, run}), do: put(held, :run, run)
  def harvest(held, _, _, _), do: held
end
