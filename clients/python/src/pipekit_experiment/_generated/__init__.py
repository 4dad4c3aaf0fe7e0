"""Generated from proto/ by `npm run generate`. Do not edit."""
