# The library of this crate as an Elixir module, and what its tests share.
defmodule VmHooks do
  @on_load :load
  def load, do: :erlang.load_nif(String.to_charlist(System.fetch_env!("VM_HOOKS_LIBRARY")), 0)

  def native_hooks, do: :erlang.nif_error(:not_loaded)
  def native_hook(_name, _config), do: :erlang.nif_error(:not_loaded)
  def segment(_phase, _steps, _budget), do: :erlang.nif_error(:not_loaded)
  def segment(phase, steps), do: segment(phase, steps, :infinity)
  def segment_stats(_segment), do: :erlang.nif_error(:not_loaded)
  def run_segment(_segment, _context), do: :erlang.nif_error(:not_loaded)
  def run_segment_dirty(_segment, _context), do: :erlang.nif_error(:not_loaded)
  def breaker_new(_failures, _window, _cool_down, _trials), do: :erlang.nif_error(:not_loaded)
  def breaker_admit(_breaker), do: :erlang.nif_error(:not_loaded)
  def breaker_failed(_breaker, _permit), do: :erlang.nif_error(:not_loaded)
  def breaker_passed(_breaker, _permit), do: :erlang.nif_error(:not_loaded)
  def breaker_reset(_breaker), do: :erlang.nif_error(:not_loaded)
  def breaker_counts(_breaker), do: :erlang.nif_error(:not_loaded)
  def enter_around(_around, _context), do: :erlang.nif_error(:not_loaded)
  def enter_around_dirty(_around, _context), do: :erlang.nif_error(:not_loaded)
  def leave_around(_around, _visit, _context, _ended), do: :erlang.nif_error(:not_loaded)
  def leave_around_dirty(_around, _visit, _context, _ended), do: :erlang.nif_error(:not_loaded)
  def start_hook(_hook, _phase, _context, _reference), do: :erlang.nif_error(:not_loaded)
  def cancel_hook(_run), do: :erlang.nif_error(:not_loaded)
  def run_core_alone(_case), do: :erlang.nif_error(:not_loaded)
  def finish_async(_run, _context), do: :erlang.nif_error(:not_loaded)
  def memory, do: :erlang.nif_error(:not_loaded)
end

ExUnit.start()

defmodule VmHooksCase do
  use ExUnit.CaseTemplate

  using do
    quote do
      import VmHooksCase
    end
  end

  def hook!(name, config) do
    {:ok, hook} = VmHooks.native_hook(name, config)
    hook
  end

  def segment!(phase \\ :before, hooks, budget \\ :infinity) do
    VmHooks.segment(
      phase,
      Enum.map(hooks, fn
        {name, config, on_error} -> {hook!(name, config), on_error}
        {name, config, on_error, breaker} -> {hook!(name, config), on_error, breaker}
        {name, config} -> {hook!(name, config), :halt}
      end),
      budget
    )
  end

  @hour 3_600_000

  def breaker!(failures), do: breaker!(failures, @hour)

  def breaker!(failures, cool_down) do
    {:ok, breaker} = VmHooks.breaker_new(failures, @hour, cool_down, 1)
    breaker
  end

  def run(phase \\ :before, hooks, context) do
    VmHooks.run_segment(segment!(phase, hooks), context)
  end

  def refusal(name, config) do
    {:error, {:invalid_config, path, message}} = VmHooks.native_hook(name, config)
    {path, message}
  end
end
