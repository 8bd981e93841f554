"""What runs did and do: their records, figures, the page that shows them, the report."""
