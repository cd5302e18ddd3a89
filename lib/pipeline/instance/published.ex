defmodule Pipeline.Instance.Published do
  @moduledoc false
  # State of an instance that any process reads without asking another: a registry, hook chains, limits. A module of a
  # later layer implements this, and the start of an instance lists it.

  @doc "Publishes the state of a new instance. State left by a killed instance of the same name is replaced."
  @callback open(instance :: term, argument :: term) :: :ok

  @doc "Called instead of `open/2` when only the owner of the state was restarted. By default nothing happens."
  @callback reopen(instance :: term, argument :: term) :: :ok

  @callback close(instance :: term) :: :ok

  @optional_callbacks reopen: 2
end
