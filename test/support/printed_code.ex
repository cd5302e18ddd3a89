defmodule Pipeline.PrintedCode do
  @moduledoc """
  Runs the code that a page shows.

  The blocks marked `elixir` of one page run in order, and each sees the variables of those before it. A line `#=> value`
  shows the value of what stands above it:

      Enum.sum([1, 2])
      #=> 3

  A block below a line `<!-- shown: reason -->` is only parsed: a fragment of a configuration, or a call that needs what
  a test has not.
  """

  import ExUnit.Assertions

  @type block :: %{code: String.t(), line: pos_integer, shown: boolean}

  @doc "The blocks of a page."
  @spec blocks(String.t()) :: [block]
  def blocks(page) do
    ~r/(<!-- shown: [^\n]+ -->\n+)?^```elixir\n(.*?)^```$/ms
    |> Regex.scan(page, return: :index)
    |> Enum.map(fn [_, {_, shown}, {start, length}] ->
      line = page |> binary_part(0, start) |> String.split("\n") |> length()
      %{code: binary_part(page, start, length), line: line, shown: shown > 0}
    end)
  end

  @doc "Runs the blocks of a file."
  @spec run(Path.t(), [block]) :: :ok
  def run(file, blocks) do
    env = %{__ENV__ | file: file, function: nil, module: nil}

    Enum.reduce(blocks, {[], env}, fn
      %{shown: true} = block, state ->
        _ = Code.string_to_quoted!(block.code, file: file, line: block.line)
        state

      block, state ->
        block.code |> steps(block.line) |> Enum.reduce(state, &step(&1, &2, file))
    end)

    :ok
  end

  # Code, each with the value that it is to have.
  defp steps(code, line) do
    {steps, rest, at, _line} =
      code
      |> String.split("\n")
      |> Enum.reduce({[], [], line, line}, fn
        "#=> " <> value, {steps, lines, at, line} ->
          {[{Enum.reverse(lines), at, value} | steps], [], line + 1, line + 1}

        text, {steps, lines, at, line} ->
          {steps, [text | lines], at, line + 1}
      end)

    Enum.reverse([{Enum.reverse(rest), at, nil} | steps])
  end

  defp step({lines, line, expected}, {bindings, env}, file) do
    quoted = lines |> Enum.join("\n") |> Code.string_to_quoted!(file: file, line: line)
    {value, bindings, env} = Code.eval_quoted_with_env(quoted, bindings, env)

    if expected do
      # Not as text: the order in which a map shows its keys depends on the version of OTP.
      assert {value, []} == Code.eval_string(expected),
             "#{file}:#{line} has another value than the page shows"
    end

    {bindings, env}
  end
end
