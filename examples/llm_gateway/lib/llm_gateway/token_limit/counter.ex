defmodule LlmGateway.TokenLimit.Counter do
  @moduledoc false
  # What each tenant has used, in one period at a time. One process counts, so no two requests take the same tokens.

  use GenServer

  def start_link(instance), do: GenServer.start_link(__MODULE__, nil, name: name(instance))

  @spec take(term, String.t(), pos_integer, pos_integer, integer) :: :ok | {:error, left :: non_neg_integer}
  def take(instance, tenant, tokens, limit, period) do
    GenServer.call(name(instance), {:take, tenant, tokens, limit, period})
  end

  # An instance is named by any term.
  defp name(instance), do: {:global, {__MODULE__, node(), instance}}

  @impl GenServer
  def init(nil), do: {:ok, {0, %{}}}

  @impl GenServer
  def handle_call({:take, tenant, tokens, limit, period}, _from, {last, used}) do
    used = if period == last, do: used, else: %{}
    sum = Map.get(used, tenant, 0) + tokens

    if sum <= limit,
      do: {:reply, :ok, {period, Map.put(used, tenant, sum)}},
      else: {:reply, {:error, limit - sum + tokens}, {period, used}}
  end
end
