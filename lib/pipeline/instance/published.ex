defmodule Pipeline.Instance.Published do
  @moduledoc false
  # State of an instance that any process reads without asking another: a registry, hook chains, limits. A module of a
  # later layer implements this, and the start of an instance lists it.
  #
  # All of it is one persistent term, since each that is erased has the VM look at all its processes.

  @doc "What a new instance publishes for the module, `nil` for nothing. It replaces what a killed instance of the name has left."
  @callback value(instance :: term, argument :: term) :: term

  @doc "Called when the values of all modules are published."
  @callback opened(instance :: term, argument :: term) :: :ok

  @doc "Called when only the owner of the state was restarted: the value from then on. By default the one before."
  @callback again(instance :: term, argument :: term) :: term

  @doc "Called before the values go."
  @callback close(instance :: term) :: :ok

  @optional_callbacks opened: 2, again: 2, close: 1

  @typedoc "Modules that implement this, each with its argument."
  @type modules :: [{module, term}]

  @doc "What an instance has published for a module, `nil` if nothing."
  @spec get(instance :: term, module) :: term
  def get(instance, module) do
    case :persistent_term.get({__MODULE__, instance}, nil) do
      %{^module => value} -> value
      _none -> nil
    end
  end

  @doc "Publishes another value. Only one process at a time does: the owner when it starts, then the manager."
  @spec put(instance :: term, module, term) :: :ok
  def put(instance, module, value) do
    values = :persistent_term.get({__MODULE__, instance}, %{})
    :persistent_term.put({__MODULE__, instance}, Map.put(values, module, value))
  end

  @doc "Publishes what a new instance has."
  @spec open(instance :: term, modules) :: :ok
  def open(instance, modules) do
    values = for {module, argument} <- modules, into: %{}, do: {module, module.value(instance, argument)}
    :persistent_term.put({__MODULE__, instance}, values)

    for {module, argument} <- modules,
        function_exported?(module, :opened, 2),
        do: :ok = module.opened(instance, argument)

    :ok
  end

  @doc "Goes on with what is published."
  @spec reopen(instance :: term, modules) :: :ok
  def reopen(instance, modules) do
    for {module, argument} <- modules,
        function_exported?(module, :again, 2),
        do: put(instance, module, module.again(instance, argument))

    :ok
  end

  @spec close(instance :: term, modules) :: :ok
  def close(instance, modules) do
    for {module, _argument} <- Enum.reverse(modules),
        function_exported?(module, :close, 1),
        do: :ok = module.close(instance)

    :persistent_term.erase({__MODULE__, instance})
    :ok
  end
end
