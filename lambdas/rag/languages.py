"""What the answer path knows of languages: words that claim nothing, refusals, its own messages.

A language that is not here works as well: its words are compared like any others, and messages are
in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag import unicode_text


@dataclass(frozen=True, slots=True)
class Language:
    """One language. `refusal` matches a sentence that says that the documents contain no answer."""

    function_words: frozenset[str]
    refusal: re.Pattern[str]
    nothing_found: str
    not_shown: str


def _language(words: str, refusals: Sequence[str], nothing_found: str, not_shown: str) -> Language:
    pattern = re.compile("|".join(refusals), re.IGNORECASE)
    return Language(frozenset(words.split()), pattern, nothing_found, not_shown)


def _all_in(*alternatives: str) -> str:
    """Return a pattern for a sentence that has one of each, in any order."""
    return "^" + "".join(rf"(?=.*\b(?:{each}))" for each in alternatives)


LANGUAGES = {
    "en": _language(
        "a about above according after all also am an and any are as at based be because been "
        "before being below between both but by can could did do does doing document documents "
        "down during each either few for from further had has have having he her here hers him "
        "his how i if in into is it its itself just many may me might more most much must my no "
        "nor not of off on once only or other our out over own passage passages please same see "
        "shall she should so some such tell than that the their them then there these they this "
        "those through to too under until up us very was we were what when where which while who "
        "whom whose why will with would yes you your",
        [
            _all_in(
                r"(?:the|these|this|any|provided|given|your) (?:\w+ )?"
                r"(?:passage|document|context\b|text\b|source|excerpt)",
                r"(?:no|not|never|neither|none|without|lacks?|cannot)\b|\w+n't\b",
                r"(?:mention|contain|provid|specif|stat(?:e|es|ed|ing)\b|sa(?:y|id|ys)\b|includ|gives?"
                r"\b|given|answer|discuss|address|describ|indicat|hold|cover|offer|tell|f[io]und?"
                r"|available|detail|explain|state|information)",
            ),
            r"\b(?:there is|there's|i (?:have|found|find|see)) (?:no|not enough|insufficient) "
            r"(?:\w+ )?(?:information|answer|mention|evidence)\b",
            r"\bi(?:'m| am)? (?:cannot|can't|could not|couldn't|do not|don't|not able|unable)\b",
            r"\b(?:unable|impossible|not possible) to (?:answer|determine|find|say|tell)\b",
            r"\b(?:can|could)(?:not|n't| not) be (?:answered|determined|found)\b",
            r"^(?:it is |it's |this is )?(?:unknown|not (?:known|specified|stated|mentioned|"
            r"provided|given))\b",
            r"\bno (?:relevant )?(?:information|answer|mention)\b",
        ],
        "The documents do not answer this question.",
        "No answer could be shown to rest on the documents. This is what they say about the "
        "question.",
    ),
    "fr": _language(
        "à ai ainsi après au aussi autre aux avant avec c ce ces cette chaque ci combien comme "
        "comment d dans de depuis des donc dont du elle elles en entre est et être eu faire fait "
        "faut il ils j je l la laquelle le lequel les leur leurs lui ma mais même mes moi mon n ne "
        "ni nos notre nous on ont où ou par pas peut plus pour pourquoi puis qu quand que quel "
        "quelle quelles quels qui quoi sa sans se selon sera ses si soit son sont sous sur t ta te "
        "tes toi ton tous tout toute toutes très tu un une vers vos votre vous y",
        [
            _all_in(
                r"(?:les?|ces|ce|des?|du|vos|aux?) (?:\w+ )?"
                r"(?:passage|document|texte|contexte|source|extrait)",
                r"(?:ne\b|n'|aucune?\b|rien\b|pas\b)",
                r"(?:mention|contien|fourni|précis|indiqu|répon|dit|dise|donn|trouv|parl|abord"
                r"|permet|décri|évoqu|information)",
            ),
            r"\b(?:aucune|pas d'|pas de) ?(?:\w+ )?(?:informations?|réponse|mention)\b",
            r"\bje (?:ne |n')(?:peux|sais|trouve|dispose|suis|ai)\b",
            r"\bimpossible de (?:répondre|déterminer|dire)\b",
        ],
        "Les documents ne répondent pas à cette question.",
        "Aucune réponse ne s'appuie de façon vérifiable sur les documents. Voici ce qu'ils disent "
        "à ce sujet.",
    ),
    "de": _language(
        "ab aber alle als also am an auch auf aus bei beim bis da damit dann das dass dem den der "
        "des die dies diese dieser dieses doch durch ein eine einem einen einer eines er es für "
        "gibt hat haben hier ich ihr ihre im in ist ja jede kann kein keine können man mehr mit "
        "muss nach nicht noch nur ob oder ohne sehr sein seine sich sie sind so soll über um und "
        "uns unter vom von vor wann war warum was welche welcher welches wenn wer werden wie "
        "wieso wird wir wo wurde zu zum zur zwischen",
        [
            _all_in(
                r"(?:die|der|den|dem|diese\w*|ihre\w*|im|zum) (?:\w+ )?"
                r"(?:passage|dokument|text|kontext|quelle|abschnitt|auszüge)",
                r"(?:nicht|kein\w*|weder|nichts)\b",
                r"(?:erwähn|enthalt|enthält|nenn|angegeben|beantwort|sag|gib|gefunden|find|beschr"
                r"|hervor|information|angabe|steht|stehen)",
            ),
            r"\bkeine (?:\w+ )?(?:informationen|angaben?|antwort|aussage)\b",
            r"\bich (?:kann|weiß|finde|habe)\b[^.]*?\b(?:nicht|keine?)\b",
        ],
        "Die Dokumente beantworten diese Frage nicht.",
        "Es ließ sich keine Antwort durch die Dokumente belegen. Das sagen sie zu der Frage.",
    ),
    "es": _language(
        "a al algo como con cuál cuáles cuando cuándo cuánto cuántos de del desde donde dónde "
        "dos el ella ellos en entre era es esa ese eso esta está están este esto fue ha han hasta "
        "hay la las le les lo los más me mi muy no nos o para pero por porque puede pueden que "
        "qué quién se ser si sin sobre son su sus también te tiene tienen todo todos tu un una "
        "unos y ya",
        [
            _all_in(
                r"(?:los|las|el|la|estos|un|del) (?:\w+ )?"
                r"(?:pasaje|documento|texto|contexto|fuente|fragmento)",
                r"(?:no|ningun[ao]?|ningún|nada|tampoco)\b",
                r"(?:mencion|contien|proporcion|especific|indic|respond|dice|da\b|dan\b|encuentr"
                r"|describ|ofrec|información)",
            ),
            r"\bno (?:hay|existe|tengo|encuentro) (?:\w+ )?(?:información|respuesta)\b",
            r"\bno (?:puedo|sé|dispongo|es posible)\b",
        ],
        "Los documentos no responden a esta pregunta.",
        "No se pudo demostrar que una respuesta se apoye en los documentos. Esto es lo que dicen "
        "sobre la pregunta.",
    ),
    "it": _language(
        "a ai al alla alle anche che chi ci come con cosa cui da dal dalla dalle de dei del della "
        "delle di dove è e ed fra gli ha hanno i il in la le lo loro ma mi molto ne nei nel nella "
        "nelle non o per perché più può qual quale quali quando quanti quanto questa questo se si "
        "sono su sua sul sulla suo tra un una uno viene",
        [
            _all_in(
                r"(?:i|gli|il|lo|la|le|questi|nei|nel|dai) (?:\w+ )?"
                r"(?:passagg|document|test[oi]\b|contesto|font[ei]\b)",
                r"(?:non|nessun[ao]?|nulla|né)\b",
                r"(?:menzion|conten|forni|specific|indic|rispond|dic[eo]|trov|descriv|informazion)",
            ),
            r"\bnon (?:posso|so|trovo|è possibile|ci sono informazioni|ho)\b",
        ],
        "I documenti non rispondono a questa domanda.",
        "Nessuna risposta risulta fondata sui documenti. Ecco che cosa dicono sulla domanda.",
    ),
    "pt": _language(
        "à ao aos as às até com como da das de dela dele do dos e é ela ele eles em entre era "
        "essa esse esta está este eu foi há isso já mais mas me mesmo muito na nas não nem no nos "
        "o onde os ou para pela pelo pode podem por porque quais qual quando quanto quantos que "
        "quem se sem ser seu seus são sobre sua suas também te tem um uma você",
        [
            _all_in(
                r"(?:os|as|o|a|estes|nos|nas|no|na) (?:\w+ )?"
                r"(?:passage|documento|texto|contexto|fonte|trecho)",
                r"(?:não|nenhuma?|nada|nem)\b",
                r"(?:mencion|cont[êé]m|forne|especific|indic|respond|diz|encontr|descrev"
                r"|informaç)",
            ),
            r"\bnão (?:há informaç|posso|sei|encontrei|é possível|consigo|tenho)",
        ],
        "Os documentos não respondem a esta pergunta.",
        "Não foi possível mostrar que uma resposta se apoia nos documentos. Isto é o que eles "
        "dizem sobre a pergunta.",
    ),
    "nl": _language(
        "aan al als bij dan dat de deze die dit door een en er had heb hebben heeft het hij hoe "
        "hoeveel ik in is je kan kunnen maar mag meer met moet naar niet nog of om onder ook op "
        "over te tot u uit van veel voor waar waarom wanneer was wat we welk welke wie wij worden "
        "wordt zal ze zich zijn zo zonder zou",
        [
            _all_in(
                r"(?:de|het|deze|uw) (?:\w+ )?(?:passage|document|tekst|context|bron|fragment)",
                r"(?:niet|geen|niets|noch)\b",
                r"(?:vermeld|bevat|noem|beantwoord|zeg|ge(?:ven|eft)|gevonden|vind|beschr|informatie)",
            ),
            r"\bik (?:kan|weet|vind|heb)\b[^.]*?\b(?:niet|geen)\b",
        ],
        "De documenten beantwoorden deze vraag niet.",
        "Van geen antwoord kon worden getoond dat het op de documenten berust. Dit zeggen ze over "
        "de vraag.",
    ),
    "sv": _language(
        "alla att av bara bli blir både de dem den denna deras dess det detta dig din du då där "
        "efter ej eller en er ett från för ha han har hon hur hade i icke inte jag kan man med men "
        "mer mot mycket många måste ni nu när något och om oss på samma sig sin ska skall som "
        "så till under upp ut utan vad var varför varje vem vi via vid vilka vilken vilket är över",
        [
            _all_in(
                r"(?:styckena|avsnitten|dokumente[nt]|texten|källorna|sammanhanget)",
                r"(?:inte|ingen|inget|inga|ej)\b",
                r"(?:nämn|innehåll|ange|anges|svar|besvar|säg|ge[rs]?\b|hitta|finns|beskriv|information)",
            ),
            r"\bjag (?:kan|vet|hittar|har)\b[^.]*?\b(?:inte|ingen)\b",
        ],
        "Dokumenten besvarar inte frågan.",
        "Inget svar kunde visas vila på dokumenten. Detta säger de om frågan.",
    ),
    "ja": _language(
        "",
        [
            r"(?:文書|文章|資料|本文|パッセージ|情報|記載|言及|記述|回答)[^。]*?"
            r"(?:ません|ない|なかった|不明|見つかり|見当たり)|(?:お答え|回答|判断)でき(?:ません|ない)"
            r"|(?:わかり|分かり)ません|不明です",
        ],
        "文書にはこの質問への答えがありません。",
        "文書に基づくと確認できる答えはありません。質問に関する文書の記載は次のとおりです。",
    ),
    "zh": _language(
        "",
        [
            r"(?:文档|文件|段落|资料|上下文|文本|信息|文檔|資料)[^。]*?(?:没有|未|并无|无法|不包含|沒有)"
            r"|无法(?:回答|确定|得知)|不知道",
        ],
        "文档没有回答这个问题。",
        "没有能够证明以文档为依据的答案。以下是文档中与问题有关的内容。",
    ),
    "ko": _language(
        "",
        [
            r"(?:문서|본문|자료|정보|내용|답변)[^.]*?(?:없|않|못|아니)|알 수 없|찾을 수 없",
        ],
        "문서에는 이 질문에 대한 답이 없습니다.",
        "문서에 근거한다고 확인할 수 있는 답이 없습니다. 다음은 질문에 관한 문서의 내용입니다.",
    ),
}

FUNCTION_WORDS = frozenset[str]().union(*(each.function_words for each in LANGUAGES.values()))
"""Those of all languages together: of a short text the language is often not known."""

_KANA = re.compile("[\u3040-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7af]")
_HAN = re.compile("[\u4e00-\u9fff]")


def language_of(text: str) -> str | None:
    """Return the language of a text among those known here, or None if it is not clear."""
    for language, script in (("ko", _HANGUL), ("ja", _KANA), ("zh", _HAN)):
        if len(script.findall(text)) > len(text) / 10:
            return language
    found = unicode_text.words(text)
    counts = {
        name: sum(word in language.function_words for word in found)
        for name, language in LANGUAGES.items()
    }
    best, next_best = sorted(counts.values(), reverse=True)[:2]
    return max(counts, key=counts.__getitem__) if best > next_best else None


def message_language(question: str) -> Language:
    """Return the language for messages that are not answers."""
    return LANGUAGES[language_of(question) or "en"]


def refuses(sentence: str, languages: Iterable[str] = LANGUAGES) -> bool:
    """Whether a sentence says, in any known language, that the documents contain no answer."""
    return any(LANGUAGES[name].refusal.search(sentence) for name in languages)
