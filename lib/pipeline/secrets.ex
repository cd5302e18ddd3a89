defmodule Pipeline.Secrets do
  @moduledoc false
  # The secret values of a plugin's configuration, and terms without them. `nil` stands for a plugin that has none.
  #
  # The values are in a function, so that no way to print a term shows them: neither `inspect/1` nor a report of OTP.

  alias Pipeline.Foreign.Stacktrace

  @filtered "[FILTERED]"
  # A shorter text is hidden only where it is the whole of a string: as a part it would be found everywhere.
  @shortest_part 4
  # Terms that are looked at. A larger term is cut, so that a failure costs the same whatever it failed on.
  @most 5_000
  @cut :...

  @enforce_keys [:shown, :values]
  defstruct [:shown, :values]

  @type t :: %__MODULE__{shown: term, values: (() -> [term])}

  @doc "The text that stands in place of a secret."
  @spec filtered() :: String.t()
  def filtered, do: @filtered

  @doc "Secrets of a configuration: how it is shown, and the values of its secret fields."
  @spec new(shown :: term, [term]) :: t | nil
  def new(_shown, []), do: nil

  def new(shown, fields) do
    values = fields |> Enum.flat_map(&leaves/1) |> Enum.uniq()
    %__MODULE__{shown: shown, values: fn -> values end}
  end

  @doc "A configuration of which nobody knows yet what is secret in it: all of it is."
  @spec all(term) :: t | nil
  def all(config) when config == %{}, do: nil

  def all(config) when is_map(config),
    do: new(Map.new(config, fn {field, _} -> {field, @filtered} end), Map.values(config))

  def all(config), do: new(@filtered, [config])

  @doc "The secrets of two, shown as the second."
  @spec merge(t | nil, t | nil) :: t | nil
  def merge(nil, secrets), do: secrets
  def merge(secrets, nil), do: secrets
  def merge(same, same), do: same

  def merge(%__MODULE__{values: old}, %__MODULE__{values: values} = secrets),
    do: %{secrets | values: fn -> Enum.uniq(values.() ++ old.()) end}

  @doc "A configuration as it is shown."
  @spec shown(config, t | nil) :: config when config: term
  def shown(config, nil), do: config
  def shown(_config, %__MODULE__{shown: shown}), do: shown

  @doc "A term without the secrets. It is cut where it is large."
  @spec conceal(term, t | nil) :: term
  def conceal(term, nil), do: term

  def conceal(term, %__MODULE__{values: values}) do
    values = values.()
    parts = for text <- Enum.flat_map(values, &texts/1), byte_size(text) >= @shortest_part, do: text
    {term, _left} = walk(term, @most, %{values: MapSet.new(values), parts: parts})
    term
  end

  # As a value stands within a text, also one that `inspect/1` made.
  defp texts(integer) when is_integer(integer), do: [Integer.to_string(integer)]
  defp texts(number) when is_number(number), do: []

  defp texts(text),
    do: Enum.uniq([text, text |> inspect(printable_limit: :infinity) |> String.slice(1..-2//1)])

  @doc "The reason of a failure as it leaves the process of a plugin: without secrets, and without arguments of calls."
  @spec conceal_reason(term, t | nil) :: term
  def conceal_reason(reason, secrets), do: reason |> Stacktrace.without_arguments() |> conceal(secrets)

  # Atoms are no secrets: every process of the VM can list them.
  defp leaves(atom) when is_atom(atom), do: []
  defp leaves(""), do: []
  defp leaves(binary) when is_binary(binary), do: [binary]
  defp leaves(number) when is_number(number), do: [number]
  defp leaves(%_{} = struct), do: struct |> Map.from_struct() |> leaves()
  defp leaves(map) when is_map(map), do: map |> Map.values() |> Enum.flat_map(&leaves/1)
  defp leaves(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> Enum.flat_map(&leaves/1)

  defp leaves([_ | _] = list) do
    cond do
      List.improper?(list) -> leaves_of_improper(list)
      List.ascii_printable?(list) -> [List.to_string(list)]
      true -> Enum.flat_map(list, &leaves/1)
    end
  end

  defp leaves(_other), do: []

  defp leaves_of_improper([head | tail]), do: leaves(head) ++ leaves_of_improper(tail)
  defp leaves_of_improper(tail), do: leaves(tail)

  defp walk(_term, left, _secrets) when left <= 0, do: {@cut, 0}

  defp walk(text, left, secrets) when is_binary(text) do
    cond do
      text in secrets.values -> {@filtered, left - 1}
      secrets.parts == [] -> {text, left - 1}
      true -> {String.replace(text, secrets.parts, @filtered), left - 1}
    end
  end

  defp walk(number, left, secrets) when is_number(number),
    do: {if(number in secrets.values, do: @filtered, else: number), left - 1}

  defp walk([], left, _secrets), do: {[], left - 1}

  defp walk([head | _] = list, left, secrets) when is_integer(head) do
    if not List.improper?(list) and List.ascii_printable?(list, left) do
      text = List.to_string(Enum.take(list, left))
      {shown, left} = walk(text, left, secrets)
      {if(shown == text, do: list, else: shown), left}
    else
      walk_list(list, left, secrets)
    end
  end

  defp walk(list, left, secrets) when is_list(list), do: walk_list(list, left, secrets)

  defp walk(tuple, left, secrets) when is_tuple(tuple) do
    first = for index <- 0..(min(tuple_size(tuple), left) - 1)//1, do: elem(tuple, index)
    {elements, left} = Enum.map_reduce(first, left - 1, &walk(&1, &2, secrets))
    {List.to_tuple(elements), left}
  end

  # Structs too: their fields stay the same.
  defp walk(map, left, secrets) when is_map(map) do
    {pairs, left} = map |> :maps.iterator() |> :maps.next() |> walk_pairs(left - 1, secrets, [])
    {Map.new(pairs), left}
  end

  # Nothing prints what a function closes over.
  defp walk(other, left, _secrets), do: {other, left - 1}

  defp walk_list([head | tail], left, secrets) when left > 0 do
    {head, left} = walk(head, left, secrets)
    {tail, left} = walk_list(tail, left, secrets)
    {[head | tail], left}
  end

  defp walk_list([_ | _], _left, _secrets), do: {[@cut], 0}
  defp walk_list([], left, _secrets), do: {[], left}
  defp walk_list(tail, left, secrets), do: walk(tail, left, secrets)

  defp walk_pairs({key, value, next}, left, secrets, pairs) when left > 0 do
    {key, left} = walk(key, left, secrets)
    {value, left} = walk(value, left, secrets)
    walk_pairs(:maps.next(next), left, secrets, [{key, value} | pairs])
  end

  defp walk_pairs({_key, _value, _next}, _left, _secrets, pairs), do: {[{@cut, @cut} | pairs], 0}
  defp walk_pairs(:none, left, _secrets, pairs), do: {pairs, left}

  defimpl Inspect do
    def inspect(_secrets, _opts), do: "#Pipeline.Secrets<>"
  end
end
