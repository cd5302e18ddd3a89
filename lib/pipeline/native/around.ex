defmodule Pipeline.Native.Around do
  @moduledoc false
  # The NIFs of `native/pipeline_term/src/around/nifs.rs`: an around hook in two halves.

  alias Pipeline.Native.Hook

  @doc "Calls the half on the way in."
  @spec enter(Hook.t(), term) ::
          {:inside, visit :: reference, term} | {:answer, term} | {:refused, term} | {:failed, String.t()}
  def enter(%Hook{cost: :light} = hook, context), do: hook.library.enter_around(hook.reference, context)
  def enter(%Hook{} = hook, context), do: hook.library.enter_around_dirty(hook.reference, context)

  @doc "Calls the half on the way out, with the context that went in and the outcome."
  @spec leave(Hook.t(), reference, term, {:ok | :error | :exit | :throw | :refused, term}) ::
          :pass
          | {:value, term}
          | {:again, term, milliseconds :: non_neg_integer}
          | {:refused, term}
          | {:failed, String.t()}
  def leave(%Hook{cost: :light} = hook, visit, context, ended) do
    hook.library.leave_around(hook.reference, visit, context, ended)
  end

  def leave(%Hook{} = hook, visit, context, ended) do
    hook.library.leave_around_dirty(hook.reference, visit, context, ended)
  end
end
