defmodule Pipeline.Cluster.Options do
  @moduledoc false
  # The option `cluster:` of an instance, checked.

  alias Pipeline.Options

  @enforce_keys [:events, :rpc, :timeout, :interval]
  defstruct [:events, :rpc, :timeout, :interval]

  @type t :: %__MODULE__{
          events: :all | %{(type :: term) => true},
          rpc: :local | :any,
          timeout: pos_integer,
          interval: pos_integer
        }

  @spec check!(term) :: t | nil
  def check!(off) when off in [nil, false], do: nil
  def check!(true), do: check!([])

  def check!(opts) do
    Options.validate!(opts, [:events, :rpc, :timeout, :interval], "cluster:")

    %__MODULE__{
      events: events!(Keyword.get(opts, :events, [])),
      rpc: rpc!(Keyword.get(opts, :rpc, :local)),
      timeout: milliseconds!(:timeout, Keyword.get(opts, :timeout, 60_000)),
      interval: milliseconds!(:interval, Keyword.get(opts, :interval, 10_000))
    }
  end

  defp events!(:all), do: :all
  defp events!(types) when is_list(types), do: Map.new(types, &{&1, true})

  defp events!(other) do
    raise ArgumentError,
          "cluster: events: is a list of types of events, or :all, got: #{inspect(other)}"
  end

  defp rpc!(rpc) when rpc in [:local, :any], do: rpc
  defp rpc!(other), do: raise(ArgumentError, "cluster: rpc: is :local or :any, got: #{inspect(other)}")

  defp milliseconds!(_name, number) when is_integer(number) and number > 0, do: number

  defp milliseconds!(name, other) do
    raise ArgumentError, "cluster: #{name}: is a number of milliseconds from 1, got: #{inspect(other)}"
  end
end
