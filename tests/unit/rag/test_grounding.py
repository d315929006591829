from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.grounding import LEAST, grounded, is_refusal
from rag.languages import LANGUAGES, message_language

EVIDENCE = ["The Kestrel station is powered by two wind turbines, 10,000 W in all, since 2024-05."]


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("The Kestrel station is powered by wind turbines and solar panels [1].", 2 / 4),
        ("A turbine of 10000.0 W [1, 2].", 1),
        ("A turbine of 10000W [1].", 1),
        ("Turbines of 10,001 W.", 0),
        ("Turbines of 10,000 and of 7 W.", 1 / 2),
        ("The station is powered.", 1),
        ("By wind. By wind. By coal.", 1 / 2),
        ("1. Wind\n2. Turbines", 1),
        ("Die Station läuft mit 10.000 W aus Windkraft [1].", 1),
        ("Die Station läuft mit 20.000 W aus Windkraft [1].", 0),
    ],
)
def test_an_answer_is_grounded_as_far_as_its_own_words_and_numbers_stand_there(
    answer: str, share: float
) -> None:
    question = "How is the Kestrel station powered?"
    assert grounded(answer, question, EVIDENCE) == pytest.approx(share)
    assert grounded(answer, question, []) == 0


@pytest.mark.parametrize(
    ("evidence", "right", "wrong"),
    [
        (
            "La piscine ouvre à 7 h 30 et les enfants paient 2,50 euros.",
            "Les enfants paient 2,50 euros [1].",
            "Les retraités bénéficient d'une réduction annuelle [1].",
        ),
        (
            "図書館は午前九時に開館し、貸出は二週間まで延長できます。",
            "貸出は二週間まで延長できます[1]。",
            "駐車場の料金は無料で、予約が必要です[1]。",
        ),
    ],
)
def test_any_script_is_judged(evidence: str, right: str, wrong: str) -> None:
    assert grounded(right, "?", [evidence]) == 1
    assert grounded(wrong, "?", [evidence]) < LEAST


@given(st.text(), st.text(), st.lists(st.text()))
def test_it_is_a_share_and_a_quotation_is_grounded(
    answer: str, question: str, evidence: list[str]
) -> None:
    assert 0 <= grounded(answer, question, evidence) <= 1
    assert grounded(answer, question, [answer]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "The passages do not mention the price.",
        "I cannot answer this from the documents.",
        "There is no information about that [1].",
        "It is not specified in the given passages.",
        "The provided context doesn't say.",
        "Based on the passages, it cannot be determined. They speak of turbines [1].",
        "Sorry, no relevant information was found.",
        "Les passages ne contiennent pas la réponse.",
        "Je ne trouve pas cette information.",
        "Aucune information n'est donnée à ce sujet.",
        "Die Dokumente enthalten keine Angabe dazu.",
        "Ich kann diese Frage nicht beantworten.",
        "Los documentos no mencionan el precio.",
        "I documenti non contengono questa informazione.",
        "Os documentos não mencionam o preço.",
        "De documenten vermelden de prijs niet.",
        "Dokumenten nämner inte priset.",
        "文書にはその記載がありません。",
        "申し訳ありませんが、わかりません。",
        "文档中没有提到价格。",
        "문서에서 답을 찾을 수 없습니다.",
    ],
)
def test_a_refusal_in_prose_is_a_refusal(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "The API does not provide streaming [1].",
        "No, it is not encrypted at rest [1].",
        "It has 2 NeuronCores [1]. The passages do not mention its price.",
        "Le service n'est pas ouvert le lundi [1].",
        "Der Dienst ist montags nicht geöffnet [1].",
        "この図書館は月曜日に開いていません[1]。",
        "",
    ],
)
def test_an_answer_with_a_no_in_it_is_an_answer(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How long does a cold start take?", "en"),
        ("Combien de temps dure un démarrage à froid ?", "fr"),
        ("Wie lange dauert ein Kaltstart?", "de"),
        ("¿Cuánto dura un arranque en frío?", "es"),
        ("コールドスタートにはどのくらい時間がかかりますか？", "ja"),
        ("冷启动需要多长时间？", "zh"),
        ("콜드 스타트는 얼마나 걸립니까?", "ko"),
        ("Quanto dura un avvio a freddo, e perché?", "it"),
        ("SM_ON_BATCH_SIZE?", "en"),
    ],
)
def test_messages_are_in_the_language_of_the_question(question: str, language: str) -> None:
    assert message_language(question) is LANGUAGES[language]
