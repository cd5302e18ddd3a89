"""Tools, chains and embeddings for the tests. They need no network."""

import hashlib
import math

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool


@tool
def word_count(text: str) -> int:
    """Counts the words of a text."""
    return len(text.split())


@tool
def failing(text: str) -> str:
    """Fails."""
    raise ValueError("not today: " + text)


class Words(Embeddings):
    """Texts with words in common are near each other."""

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        vector = [0.0] * 64
        for word in text.lower().split():
            vector[hashlib.sha256(word.encode()).digest()[0] % 64] += 1.0
        norm = math.sqrt(sum(number * number for number in vector)) or 1.0
        return [number / norm for number in vector]


class Fixed(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager=None):
        return [Document(page_content="about " + query, metadata={"source": "fixed"})]


words = Words()
fixed = Fixed()
double = RunnableLambda(lambda number: number * 2)
model = FakeListChatModel(responses=["a short answer"])
chain = ChatPromptTemplate.from_template("Say something about {topic}") | model | StrOutputParser()
