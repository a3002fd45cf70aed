"""Ask about your own APIs: documents given in code, searched, answered and checked on this machine."""

from gorilla_rag import Gorilla

DOCS = [
    {
        "id": "billing.refund",
        "api_call": "billing.refund(order_id, percent=100)",
        "api_name": "billing.refund",
        "functionality": "Give a customer their money back",
        "description": "Refunds an order, whole or in part, to the card that paid for it.",
        "parameters": {
            "type": "object",
            "properties": {
                "percent": {"type": "integer", "minimum": 1, "maximum": 100, "description": "share to refund"}
            },
        },
        "example_code": "import billing\nreceipt = billing.refund(order_id, percent=100)\nprint(receipt)",
    },
    {
        "id": "billing.invoice",
        "api_call": "billing.invoice(order_id)",
        "api_name": "billing.invoice",
        "functionality": "Send an invoice",
        "description": "Writes the invoice of an order as PDF and mails it to the customer.",
    },
]


def main() -> None:
    gorilla = Gorilla.from_docs(DOCS)
    print(gorilla.ask("give the customer 50 % of the money back"))


if __name__ == "__main__":
    main()
