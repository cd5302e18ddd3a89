defmodule Pipeline.Hook.Policy do
  @moduledoc false
  # A policy decides whether and how a hook is called: it wraps the function of the hook in another one.
  # `Pipeline.Hook.Compiler` has the order of policies, and a registration the settings of those that the hook
  # has.

  @typedoc "The function of a hook, or of the policies around it."
  @type fun :: (context :: term, next :: (term -> term) | nil -> term)

  @callback wrap(fun, setting :: term, Pipeline.Hook.Registration.t()) :: fun
end
