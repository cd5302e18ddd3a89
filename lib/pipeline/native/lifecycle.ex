defmodule Pipeline.Native.Lifecycle do
  @moduledoc false
  # The NIFs of `native/pipeline_nif/src/lifecycle.rs`: the table of a plugin's states.

  alias Pipeline.Native

  @doc "Whether a plugin can go from one state to another. The error lists the states that it can go to."
  @spec enter(from :: atom, to :: atom) :: :ok | {:error, String.t()}
  defdelegate enter(from, to), to: Native, as: :lifecycle_enter

  @doc "The states in which a plugin is known and does not run."
  @spec idle() :: [atom]
  def idle, do: for({state, true, _next} <- Native.lifecycle_states(), do: state)
end
